<?php
// Puts one document into a box by PHP's own SoapClient and prints what came back as JSON.
// usage: php submit.php WSDL FILE BOX SOAP-VERSION
declare(strict_types=1);
const OB = 'http://wsdl.epuap.gov.pl/obiekty/';

[, $wsdl, $file, $box, $version] = $argv;

$client = new SoapClient($wsdl, [
    'soap_version' => $version === '1.2' ? SOAP_1_2 : SOAP_1_1,
    'cache_wsdl' => WSDL_CACHE_NONE,
    'exceptions' => true,
    'trace' => true,
]);
$client->__setSoapHeaders([
    new SoapHeader(OB, 'IdentyfikatorPodmiotu', 'urzad-php'),
    new SoapHeader(OB, 'AdresSkrytki', $box),
    new SoapHeader(OB, 'AdresOdpowiedzi', '/urzad-php/odpowiedzi'),
    new SoapHeader(OB, 'CzyProbne', false),
    new SoapHeader(OB, 'DaneDodatkowe', ''),
]);
try {
    $answer = $client->nadaj([
        'nazwaPliku' => basename($file),
        'typPliku' => 'text/xml',
        'zawartosc' => file_get_contents($file),
    ]);
    $said = [
        'code' => $answer->status->kod,
        'document' => $answer->identyfikatorDokumentu,
        'receipt' => base64_encode($answer->zalacznik->zawartosc),
    ];
} catch (SoapFault $fault) {
    $exception = is_object($fault->detail ?? null) ? $fault->detail->Wyjatek ?? null : null;
    $said = [
        'fault' => $fault->faultcode,
        'reason' => $fault->getMessage(),
        'kod' => isset($exception->kod) ? (int) $exception->kod : null,
        'komunikat' => $exception->komunikat ?? null,
    ];
}
echo json_encode($said, JSON_THROW_ON_ERROR), "\n";
