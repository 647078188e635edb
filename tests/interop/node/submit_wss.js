// Puts one document into a box by node's `soap` client with WS-Security and prints what came back as JSON.
// usage: node submit_wss.js WSDL FILE BOX PORT SENDER PEM COVERS
//   PORT: skrytka for SOAP 1.1, skrytka12 for SOAP 1.2; PEM: the sender's key and certificate
//   COVERS: body (Body and Timestamp) or headers (every header block as well)
// The server's CA comes by NODE_EXTRA_CA_CERTS.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const soap = require("soap");

const OB = "http://wsdl.epuap.gov.pl/obiekty/";
const [, , wsdl, file, box, port, sender, pem, covers] = process.argv;
const text = fs.readFileSync(pem, "utf8");
const block = (name) => text.match(new RegExp(`-----BEGIN ${name}-----[^]*?-----END ${name}-----`))[0];

const header = (name, value) => `<ob:${name} xmlns:ob="${OB}">${value}</ob:${name}>`;
const NAMES = ["IdentyfikatorPodmiotu", "AdresSkrytki", "AdresOdpowiedzi", "CzyProbne", "DaneDodatkowe"];

async function main() {
  const client = await soap.createClientAsync(wsdl, { forceSoap12Headers: port === "skrytka12" });
  const values = [sender, box, "", "false", ""];
  NAMES.forEach((name, i) => client.addSoapHeader(header(name, values[i])));
  client.setSecurity(
    new soap.WSSecurityCert(block("PRIVATE KEY"), block("CERTIFICATE"), "", {
      hasTimeStamp: true,
      signatureAlgorithm: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
      digestAlgorithm: "http://www.w3.org/2001/04/xmlenc#sha256",
      additionalReferences: covers === "headers" ? NAMES.map((name) => `ob:${name}`) : [],
    })
  );
  const document = {
    nazwaPliku: path.basename(file),
    typPliku: "text/xml",
    zawartosc: fs.readFileSync(file).toString("base64"),
  };
  return new Promise((resolve) => {
    client.pkSkrytkaService[port].nadaj(document, (error, answer) => {
      if (!error) {
        resolve({
          code: Number(answer.status.kod),
          document: answer.identyfikatorDokumentu,
          receipt: answer.zalacznik.zawartosc,
        });
        return;
      }
      const fault = (error.root && error.root.Envelope.Body.Fault) || {};
      const wyjatek = (fault.detail || fault.Detail || {}).Wyjatek || {};
      resolve({ kod: Number(wyjatek.kod), komunikat: wyjatek.komunikat || String(error) });
    });
  });
}

main().then((said) => console.log(JSON.stringify(said)));
