// Puts one document into a box by node's `soap` client and prints what came back as JSON.
// usage: node submit.js WSDL FILE BOX PORT   (PORT: skrytka for SOAP 1.1, skrytka12 for SOAP 1.2)
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const soap = require("soap");

const OB = "http://wsdl.epuap.gov.pl/obiekty/";
const [, , wsdl, file, box, port] = process.argv;

const header = (name, value) => `<ob:${name} xmlns:ob="${OB}">${value}</ob:${name}>`;

async function main() {
  const client = await soap.createClientAsync(wsdl, { forceSoap12Headers: port === "skrytka12" });
  client.addSoapHeader(header("IdentyfikatorPodmiotu", "urzad-node"));
  client.addSoapHeader(header("AdresSkrytki", box));
  client.addSoapHeader(header("AdresOdpowiedzi", "/urzad-node/odpowiedzi"));
  client.addSoapHeader(header("CzyProbne", "false"));
  client.addSoapHeader(header("DaneDodatkowe", ""));
  const call = client.pkSkrytkaService[port].nadaj;
  const document = {
    nazwaPliku: path.basename(file),
    typPliku: "text/xml",
    zawartosc: fs.readFileSync(file).toString("base64"),
  };
  return new Promise((resolve) => {
    call(document, (error, answer, raw) => {
      if (!error) {
        resolve({
          code: Number(answer.status.kod),
          document: answer.identyfikatorDokumentu,
          receipt: answer.zalacznik.zawartosc,
        });
        return;
      }
      const fault = (error.root && error.root.Envelope.Body.Fault) || {};
      const detail = fault.detail || fault.Detail || {};
      const wyjatek = detail.Wyjatek || {};
      resolve({
        fault: fault.faultcode || (fault.Code && fault.Code.Value) || String(error),
        kod: wyjatek.kod === undefined ? null : Number(wyjatek.kod),
        komunikat: wyjatek.komunikat === undefined ? null : wyjatek.komunikat,
      });
    });
  });
}

main().then((said) => console.log(JSON.stringify(said)));
