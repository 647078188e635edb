import eu.europa.esig.dss.diagnostic.DiagnosticData;
import eu.europa.esig.dss.diagnostic.SignatureWrapper;
import eu.europa.esig.dss.diagnostic.TimestampWrapper;
import eu.europa.esig.dss.jaxb.object.Message;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.policy.ValidationPolicyFacade;
import eu.europa.esig.dss.policy.jaxb.ConstraintsParameters;
import eu.europa.esig.dss.policy.jaxb.Level;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import eu.europa.esig.dss.validation.reports.Reports;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Locale;

/**
 * EU DSS asked about containers, one a line of standard input: the container's path, then those of certificates (PEM or
 * DER) to trust, then those of revocation lists (DER), then the moment to judge for (seconds since 1970); fields apart
 * by tabs, paths by commas.  Answers a line of JSON each.
 *
 * <p>The policy is the default one of DSS, but for one rule that is stricter: a file that no signature covers is a
 * failure and not a warning.  Nothing is fetched.
 */
public final class Validate {
    private Validate() {}

    public static void main(String[] arguments) throws Exception {
        Locale.setDefault(Locale.ENGLISH);
        BufferedReader questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = questions.readLine(); line != null; line = questions.readLine()) {
            String[] fields = line.split("\t", -1);
            Date at = new Date(Long.parseLong(fields[3]) * 1000);
            System.out.println(answer(fields[0], paths(fields[1]), paths(fields[2]), at));
            System.out.flush();
        }
    }

    private static String answer(String container, List<String> anchors, List<String> lists, Date at)
            throws Exception {
        CommonTrustedCertificateSource trusted = new CommonTrustedCertificateSource();
        for (String anchor : anchors) {
            trusted.addCertificate(DSSUtils.loadCertificate(new File(anchor)));
        }
        CommonCertificateVerifier verifier = new CommonCertificateVerifier(true);
        verifier.setTrustedCertSources(trusted);
        FileDocument[] held = lists.stream().map(FileDocument::new).toArray(FileDocument[]::new);
        verifier.setCrlSource(new ExternalResourcesCRLSource(held));
        SignedDocumentValidator validator;
        try {
            validator = SignedDocumentValidator.fromDocument(new FileDocument(container));
        } catch (UnsupportedOperationException notSupported) {
            return "{\"unreadable\":" + quoted(notSupported.getMessage()) + "}";
        }
        validator.setCertificateVerifier(verifier);
        validator.setValidationTime(at);
        return told(validator.validateDocument(policy()));
    }

    private static ConstraintsParameters policy() throws Exception {
        try (InputStream standard = ValidationPolicyFacade.class.getResourceAsStream("/policy/constraint.xml")) {
            ConstraintsParameters policy = ValidationPolicyFacade.newFacade().unmarshall(standard);
            policy.getContainerConstraints().getAllFilesSigned().setLevel(Level.FAIL);
            return policy;
        }
    }

    private static String told(Reports reports) {
        DiagnosticData found = reports.getDiagnosticData();
        SimpleReport verdict = reports.getSimpleReport();
        List<String> signatures = new ArrayList<>();
        for (SignatureWrapper one : found.getSignatures()) {
            List<String> said = new ArrayList<>();
            for (Message message : verdict.getAdESValidationErrors(one.getId())) {
                said.add(quoted(message.getValue()));
            }
            List<String> references = new ArrayList<>();
            one.getDigestMatchers().forEach(matcher -> references.add(
                "{\"name\":" + quoted(matcher.getDocumentName() == null ? "" : matcher.getDocumentName())
                    + ",\"found\":" + matcher.isDataFound() + ",\"intact\":" + matcher.isDataIntact() + "}"));
            List<String> stamps = new ArrayList<>();
            for (TimestampWrapper stamp : one.getTimestampList()) {
                stamps.add("{\"intact\":" + (stamp.isMessageImprintDataIntact() && stamp.isSignatureIntact())
                    + ",\"indication\":" + quoted(String.valueOf(verdict.getIndication(stamp.getId()))) + "}");
            }
            signatures.add("{\"format\":" + quoted(one.getSignatureFormat().toString())
                + ",\"intact\":" + one.isSignatureIntact()
                + ",\"valid\":" + one.isSignatureValid()
                + ",\"references\":[" + String.join(",", references) + "]"
                + ",\"stamps\":[" + String.join(",", stamps) + "]"
                + ",\"indication\":" + quoted(verdict.getIndication(one.getId()).toString())
                + ",\"sub\":" + quoted(String.valueOf(verdict.getSubIndication(one.getId())))
                + ",\"errors\":[" + String.join(",", said) + "]}");
        }
        return "{\"container\":" + quoted(String.valueOf(found.getContainerType()))
            + ",\"mimetype\":" + quoted(String.valueOf(found.getMimetypeFileContent()))
            + ",\"signatures\":[" + String.join(",", signatures) + "]}";
    }

    private static List<String> paths(String field) {
        return field.isEmpty() ? List.of() : List.of(field.split(","));
    }

    private static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char each : text.toCharArray()) {
            if (each == '"' || each == '\\' || each < ' ') {
                out.append(String.format("\\u%04x", (int) each));
            } else {
                out.append(each);
            }
        }
        return out.append('"').toString();
    }
}
