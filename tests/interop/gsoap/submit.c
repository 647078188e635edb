/* Puts one document into a box by gSOAP with its WS-Security plugin, and prints what came back as JSON.
 * Built once for each version of SOAP: gSOAP settles that when it makes code of the WSDL (SOAP12 is 0 or 1).
 * usage: submit ENDPOINT FILE BOX SENDER PEM CA REPLY
 *   PEM: the sender's key and certificate; CA: the one above the server's certificate and the one that signs replies
 *   REPLY: "signed" if the reply must be; the plugin then believes no refusal without a signature
 */
#include "soapH.h"
#include "plugin/wsseapi.h"
#include "skrytkaBinding.nsmap"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every header block of the message is signed, beside the Body, the Timestamp and the token. */
#define SIGNED \
  "ob:AdresOdpowiedzi ob:AdresSkrytki ob:CzyProbne ob:DaneDodatkowe ob:IdentyfikatorPodmiotu"

static void die(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static unsigned char *slurp(const char *path, int *size) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END)) die(path);
  *size = (int)ftell(file);
  rewind(file);
  unsigned char *bytes = malloc((size_t)*size + 1);
  if (!bytes || fread(bytes, 1, (size_t)*size, file) != (size_t)*size) die(path);
  fclose(file);
  return bytes;
}

/* The texts of faults, and the receipt in Base64, as a JSON string. */
static void print_string(const char *text) {
  putchar('"');
  for (; text && *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') putchar('\\');
    if (c < 0x20) printf("\\u%04x", c);
    else putchar(c);
  }
  putchar('"');
}

int main(int argc, char **argv) {
  if (argc != 8) die("usage: submit ENDPOINT FILE BOX SENDER PEM CA REPLY");
  const char *endpoint = argv[1], *path = argv[2], *pem = argv[5];
  int signed_reply = !strcmp(argv[7], "signed");

  FILE *file = fopen(pem, "r");
  if (!file) die(pem);
  EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
  rewind(file);
  X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
  fclose(file);
  if (!key || !certificate) die("no key or no certificate");

  soap_ssl_init();
  struct soap *soap = soap_new1(SOAP_C_UTFSTRING | SOAP_XML_CANONICAL);
  soap->connect_timeout = soap->recv_timeout = soap->send_timeout = 30;
  soap_register_plugin(soap, soap_wsse);
  if (soap_ssl_client_context(soap, SOAP_SSL_REQUIRE_SERVER_AUTHENTICATION, NULL, NULL, argv[6], NULL, NULL))
    die("the CA cannot be used");

  struct ob__DokumentTyp document = {0};
  struct ob__OdpowiedzSkrytkiTyp answer = {0};
  enum xsd__boolean no = xsd__boolean__false_;
  document.nazwaPliku = strrchr(path, '/') ? strrchr(path, '/') + 1 : (char *)path;
  document.typPliku = "text/xml";
  document.zawartosc.__ptr = slurp(path, &document.zawartosc.__size);

  soap_wsse_add_Security(soap);
  soap->header->ob__AdresSkrytki = argv[3];
  soap->header->ob__IdentyfikatorPodmiotu = argv[4];
  soap->header->ob__AdresOdpowiedzi = "";
  soap->header->ob__CzyProbne = &no;
  soap->header->ob__DaneDodatkowe.__ptr = (unsigned char *)"";

  soap_wsse_set_wsu_id(soap, SIGNED);
  if (soap_wsse_add_Timestamp(soap, "Time", 60)
      || soap_wsse_add_BinarySecurityTokenX509(soap, "X509Token", certificate)
      || soap_wsse_add_KeyInfo_SecurityTokenReferenceX509(soap, "#X509Token")
      || soap_wsse_sign_body(soap, SOAP_SMD_SIGN_RSA_SHA256, key, 0)
      || (signed_reply && soap_wsse_verify_auto(soap, SOAP_SMD_NONE, NULL, 0)))
    die("the message cannot be signed");

#if SOAP12
  int failed = soap_call___skr__nadaj_(soap, endpoint, NULL, &document, &answer);
#else
  int failed = soap_call___skr__nadaj(soap, endpoint, NULL, &document, &answer);
#endif
  if (failed) {
    const struct SOAP_ENV__Detail *detail =
        soap->fault ? (SOAP12 ? soap->fault->SOAP_ENV__Detail : soap->fault->detail) : NULL;
    const struct ob__WyjatekTyp *told = detail ? detail->ob__Wyjatek : NULL;
    if (!told) soap_print_fault(soap, stderr);
    printf("{\"kod\": %d, \"komunikat\": ", told ? told->kod : -1);
    print_string(told ? told->komunikat : soap_fault_string(soap));
    printf("}\n");
  } else {
    int verified = signed_reply && !soap_wsse_verify_body(soap) && !soap_wsse_verify_Timestamp(soap);
    if (signed_reply && !verified) soap_print_fault(soap, stderr);
    printf("{\"code\": %d, \"verified\": %s, \"document\": ", answer.status->kod, verified ? "true" : "false");
    print_string(answer.identyfikatorDokumentu);
    printf(", \"receipt\": ");
    print_string(soap_s2base64(soap, answer.zalacznik->zawartosc.__ptr, NULL, answer.zalacznik->zawartosc.__size));
    printf("}\n");
  }

  soap_wsse_verify_done(soap);
  soap_destroy(soap);
  soap_end(soap);
  soap_free(soap);
  free(document.zawartosc.__ptr);
  EVP_PKEY_free(key);
  X509_free(certificate);
  return 0;
}
