// Checks a Doorward access token with the JDK alone (17 or newer).
//
//     java CheckToken.java JWKS_URL ISSUER AUDIENCE < token

import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.security.AlgorithmParameters;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

public class CheckToken {
    /** Seconds that two clocks may differ. */
    static final long LEEWAY = 5;

    public static void main(String[] args) throws Exception {
        if (args.length != 3) {
            System.err.println("give JWKS_URL ISSUER AUDIENCE");
            System.exit(2);
        }
        String token = new String(System.in.readAllBytes(), StandardCharsets.US_ASCII).strip();
        try {
            Map<?, ?> claims = check(token, args[0], args[1], args[2]);
            List<Object> words = new ArrayList<>(List.of(claims.get("sub")));
            if (claims.get("permissions") instanceof List<?> permissions) words.addAll(permissions);
            System.out.println(String.join(" ", words.stream().map(Object::toString).toList()));
        } catch (Exception error) {
            System.err.println("refused: " + error.getMessage());
            System.exit(1);
        }
    }

    static Map<?, ?> check(String token, String jwksUrl, String issuer, String audience) throws Exception {
        String[] parts = token.split("\\.", -1);
        require(parts.length == 3 && token.length() <= 8192, "not a JWS");
        Map<?, ?> header = Json.object(decode(parts[0]));
        require("ES256".equals(header.get("alg")), "not ES256");
        require("at+jwt".equals(header.get("typ")), "not an access token");
        require(!header.containsKey("crit"), "a critical extension that is not known here");

        Signature signature = Signature.getInstance("SHA256withECDSAinP1363Format");
        signature.initVerify(key(jwksUrl, header.get("kid")));
        signature.update((parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII));
        require(signature.verify(decode(parts[2])), "bad signature");

        // Not a byte of it is read before the signature held.
        Map<?, ?> claims = Json.object(decode(parts[1]));
        Object aud = claims.get("aud");
        require(issuer.equals(claims.get("iss")), "another issuer");
        require(audience.equals(aud) || aud instanceof List<?> all && all.contains(audience), "another audience");
        require(claims.get("sub") instanceof String, "no subject");
        long now = Instant.now().getEpochSecond();
        require(claims.get("exp") instanceof Long exp && now < exp + LEEWAY, "expired");
        require(claims.get("nbf") == null || claims.get("nbf") instanceof Long nbf && nbf <= now + LEEWAY, "not valid yet");
        return claims;
    }

    /** Asks each time; a service keeps the keys and asks again for an unknown `kid`. */
    static PublicKey key(String jwksUrl, Object kid) throws Exception {
        HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();
        HttpRequest request = HttpRequest.newBuilder(URI.create(jwksUrl)).timeout(Duration.ofSeconds(5)).build();
        Map<?, ?> jwks = Json.object(client.send(request, BodyHandlers.ofByteArray()).body());
        for (Object entry : (List<?>) jwks.get("keys")) {
            Map<?, ?> jwk = (Map<?, ?>) entry;
            if (kid == null || !kid.equals(jwk.get("kid")) || !"P-256".equals(jwk.get("crv"))) continue;
            AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
            curve.init(new ECGenParameterSpec("secp256r1"));
            ECPoint point = new ECPoint(number(jwk.get("x")), number(jwk.get("y")));
            ECParameterSpec parameters = curve.getParameterSpec(ECParameterSpec.class);
            return KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(point, parameters));
        }
        throw new SecurityException("unknown key");
    }

    static BigInteger number(Object text) {
        return new BigInteger(1, decode((String) text));
    }

    static byte[] decode(String text) {
        return Base64.getUrlDecoder().decode(text);
    }

    static void require(boolean holds, String otherwise) {
        if (!holds) throw new SecurityException(otherwise);
    }

    /** The JSON that tokens and keys are made of; the JDK has no parser. */
    record Json(String text, int[] at) {
        static Map<?, ?> object(byte[] bytes) {
            Json json = new Json(new String(bytes, StandardCharsets.UTF_8), new int[1]);
            Object value = json.value(0);
            require(json.peek() == 0 && value instanceof Map, "not one JSON object");
            return (Map<?, ?>) value;
        }

        Object value(int depth) {
            require(depth < 16, "nested too deeply");
            return switch (peek()) {
                case '{' -> members(depth);
                case '[' -> elements(depth);
                case '"' -> string();
                default -> literal();
            };
        }

        Map<String, Object> members(int depth) {
            Map<String, Object> map = new LinkedHashMap<>();
            for (take('{'); peek() != '}'; ) {
                if (!map.isEmpty()) take(',');
                String name = string();
                require(!map.containsKey(name), "a member twice");
                take(':');
                map.put(name, value(depth + 1));
            }
            take('}');
            return map;
        }

        List<Object> elements(int depth) {
            List<Object> list = new ArrayList<>();
            for (take('['); peek() != ']'; ) {
                if (!list.isEmpty()) take(',');
                list.add(value(depth + 1));
            }
            take(']');
            return list;
        }

        String string() {
            take('"');
            StringBuilder string = new StringBuilder();
            for (char c; (c = next()) != '"'; ) {
                require(c >= ' ', "a control character");
                string.append(c == '\\' ? escaped(next()) : c);
            }
            return string.toString();
        }

        char escaped(char c) {
            int which = "\"\\/bfnrt".indexOf(c);
            if (which >= 0) return "\"\\/\b\f\n\r\t".charAt(which);
            require(c == 'u' && at[0] + 4 <= text.length(), "a bad escape");
            return (char) Integer.parseInt(text.substring(at[0], at[0] += 4), 16);
        }

        Object literal() {
            int start = at[0];
            while (at[0] < text.length() && isOfLiteral(text.charAt(at[0]))) at[0]++;
            String word = text.substring(start, at[0]);
            return switch (word) {
                case "true" -> true;
                case "false" -> false;
                case "null" -> null;
                default -> Long.valueOf(word);
            };
        }

        static boolean isOfLiteral(char c) {
            return c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z';
        }

        char peek() {
            while (at[0] < text.length() && " \t\r\n".indexOf(text.charAt(at[0])) >= 0) at[0]++;
            return at[0] < text.length() ? text.charAt(at[0]) : 0;
        }

        char next() {
            require(at[0] < text.length(), "JSON that ends early");
            return text.charAt(at[0]++);
        }

        void take(char wanted) {
            require(peek() == wanted, "not JSON");
            at[0]++;
        }
    }
}
