// The JDK's own XML signatures as a third opinion: reads lines "document<TAB>certificates", writes a line each.
//
// A line out: "yes", "no <why>", or "cannot <why>" for what its parser or provider does not read.  The certificates
// are PEM files, one for each signature that must hold, joined by commas, in document order: the root, or the root's
// children.  Nothing is fetched: DTDs are refused, external access is off, and only same-document URIs are followed.

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.PublicKey;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.List;
import javax.xml.XMLConstants;
import javax.xml.crypto.Data;
import javax.xml.crypto.KeySelector;
import javax.xml.crypto.MarshalException;
import javax.xml.crypto.URIDereferencer;
import javax.xml.crypto.URIReference;
import javax.xml.crypto.URIReferenceException;
import javax.xml.crypto.XMLCryptoContext;
import javax.xml.crypto.dsig.XMLSignature;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMValidateContext;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;

public final class Verify {
    private static final String DS = XMLSignature.XMLNS;
    private static final XMLSignatureFactory FACTORY = XMLSignatureFactory.getInstance("DOM");

    public static void main(String[] words) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                String[] parts = line.split("\t");
                out.println(answer(Files.readAllBytes(Path.of(parts[0])), parts[1].split(",")));
            }
        }
    }

    private static String answer(byte[] octets, String[] certificates) {
        try {
            Document document = parsed(octets);
            List<Element> signatures = signatures(document.getDocumentElement());
            if (signatures.size() != certificates.length) {
                return "no another number of signatures";
            }
            for (int at = 0; at < certificates.length; at++) {
                if (!holds(document, signatures.get(at), key(certificates[at]))) {
                    return "no the mathematics of signature " + (at + 1);
                }
            }
            return "yes";
        } catch (MarshalException error) {
            return "cannot " + oneLine(error);
        } catch (Exception | StackOverflowError error) {
            return "no " + oneLine(error);
        }
    }

    private static Document parsed(byte[] octets) throws Exception {
        DocumentBuilderFactory builders = DocumentBuilderFactory.newInstance();
        builders.setNamespaceAware(true);
        builders.setExpandEntityReferences(false);
        builders.setFeature(XMLConstants.FEATURE_SECURE_PROCESSING, true);
        builders.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        builders.setAttribute(XMLConstants.ACCESS_EXTERNAL_DTD, "");
        builders.setAttribute(XMLConstants.ACCESS_EXTERNAL_SCHEMA, "");
        return builders.newDocumentBuilder().parse(new ByteArrayInputStream(octets));
    }

    private static List<Element> signatures(Element root) {
        List<Element> found = new ArrayList<>();
        if (isSignature(root)) {
            found.add(root);
            return found;
        }
        for (Node child = root.getFirstChild(); child != null; child = child.getNextSibling()) {
            if (child instanceof Element && isSignature((Element) child)) {
                found.add((Element) child);
            }
        }
        return found;
    }

    private static boolean isSignature(Element element) {
        return DS.equals(element.getNamespaceURI()) && "Signature".equals(element.getLocalName());
    }

    private static boolean holds(Document document, Element signature, PublicKey key) throws Exception {
        DOMValidateContext context = new DOMValidateContext(KeySelector.singletonKeySelector(key), signature);
        // Off, for it forbids the XPath transform that the public signing service uses; what it would otherwise keep
        // out (external references, DTDs) is kept out here.
        context.setProperty("org.jcp.xml.dsig.secureValidation", Boolean.FALSE);
        context.setURIDereferencer(new InsideOnly());
        register(context, document.getDocumentElement());
        return FACTORY.unmarshalXMLSignature(context).validate(context);
    }

    private static void register(DOMValidateContext context, Element element) {
        for (String name : new String[] {"Id", "ID", "id"}) {
            if (element.hasAttributeNS(null, name)) {
                context.setIdAttributeNS(element, null, name);
            }
        }
        for (Node child = element.getFirstChild(); child != null; child = child.getNextSibling()) {
            if (child instanceof Element) {
                register(context, (Element) child);
            }
        }
    }

    private static PublicKey key(String file) throws Exception {
        try (var in = Files.newInputStream(Path.of(file))) {
            return CertificateFactory.getInstance("X.509").generateCertificate(in).getPublicKey();
        }
    }

    private static String oneLine(Throwable error) {
        Throwable first = error;
        while (first.getCause() != null) {
            first = first.getCause();
        }
        return String.valueOf(first).replaceAll("\\s+", " ");
    }

    /** Follows URIs into the document alone. */
    private static final class InsideOnly implements URIDereferencer {
        @Override
        public Data dereference(URIReference reference, XMLCryptoContext context) throws URIReferenceException {
            String uri = reference.getURI();
            if (uri == null || !(uri.isEmpty() || uri.startsWith("#"))) {
                throw new URIReferenceException("nothing outside the document is read: " + uri);
            }
            return FACTORY.getURIDereferencer().dereference(reference, context);
        }
    }
}
