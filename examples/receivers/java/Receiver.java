// PORT=8080 DATA=/var/reports java Receiver.java
// The JDK alone, 11 or later. In a servlet raise the limit: Jetty takes 200 kB, Tomcat 2 MB.
import static java.nio.charset.StandardCharsets.UTF_8;
import static java.nio.file.StandardOpenOption.*;

import com.sun.net.httpserver.*;
import java.io.IOException;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.*;
import java.util.concurrent.Executors;
import java.util.regex.*;

public class Receiver {
    static final Pattern TOKEN = Pattern.compile("(?s)\\s*+([\\[\\]{},:]|true|false|null|-?\\d++(?:\\."
        + "\\d++)?+(?:[eE][-+]?\\d++)?+|\"(?:[^\"\\\\\\x00-\\x1f]++|\\\\.)*+\"|.)");
    static final Set<String> sids = new HashSet<>();
    static FileChannel file;

    /** Takes encodings off until the text is JSON; returns its reports, a line each, by sid. */
    static Map<String, String> understood(String text) {
        for (int round = 0; ; round++) {
            try {
                Map<String, String> reports = new LinkedHashMap<>();
                Matcher tokens = TOKEN.matcher(text.startsWith("{") ? "[" + text + "]" : text);
                check(value(tokens, next(tokens), reports, 0).startsWith("[") && !tokens.find());
                return reports;
            } catch (IllegalArgumentException error) {
                if (round == 4) throw error;
                boolean plus = text.contains("%20"); // with %20 for a space, + means plus
                text = URLDecoder.decode(plus ? text.replace("+", "%2B") : text, UTF_8);
            }
        }
    }

    /** Reads the value that begins with a token; keeps the objects of the outer array. */
    static String value(Matcher tokens, String first, Map<String, String> reports, int depth) {
        String end = first.equals("[") ? "]" : first.equals("{") ? "}" : "";
        check(!end.isEmpty() || first.matches("(?s)\".*\"|-?\\d.*|true|false|null"));
        if (end.isEmpty()) return first;
        StringBuilder all = new StringBuilder(first);
        String sid = "", token = next(tokens);
        for (boolean more = !token.equals(end); more; token = more ? next(tokens) : "") {
            String key = end.equals("}") ? token + next(tokens) : "";
            check(end.equals("]") || key.matches("(?s)\".*\":"));
            String value = value(tokens, key.isEmpty() ? token : next(tokens), reports, depth + 1);
            check(depth > 0 || value.startsWith("{"));
            if (key.equals("\"sid\":")) sid = value = value.replaceFirst("^(-?\\d.*)$", "\"$1\"");
            all.append(key).append(value).append((token = next(tokens)).equals(",") ? "," : "");
            check((more = token.equals(",")) || token.equals(end));
        }
        if (depth != 1) return all + end;
        check(sid.matches("(?s)\".+\""));
        sid = Pattern.compile("\\\\u(\\p{XDigit}{4})").matcher(sid).replaceAll(
            found -> Matcher.quoteReplacement("" + (char) Integer.parseInt(found.group(1), 16)));
        reports.putIfAbsent(sid, all + end);
        return all + end;
    }

    static String next(Matcher tokens) {
        check(tokens.find());
        return tokens.group(1);
    }

    static void check(boolean holds) {
        if (!holds) throw new IllegalArgumentException("not a push");
    }

    /** Appends the reports that are new; returns when they are on disk. */
    static synchronized void store(Map<String, String> reports) throws IOException {
        reports.keySet().removeAll(sids);
        StringBuilder lines = new StringBuilder();
        reports.values().forEach(report -> lines.append(report).append('\n'));
        long size = file.size();
        try {
            ByteBuffer left = ByteBuffer.wrap(lines.toString().getBytes(UTF_8));
            while (left.hasRemaining()) file.write(left, size + left.position());
            file.force(true);
        } catch (IOException error) {
            file.truncate(size); // they come again as a whole
            throw error;
        }
        sids.addAll(reports.keySet());
    }

    static void answer(HttpExchange exchange) throws IOException {
        int status = 200;
        try {
            String body = new String(exchange.getRequestBody().readNBytes(8 << 20), UTF_8);
            Matcher found = Pattern.compile("(?:^|&)voice_status=([^&]*)").matcher(body);
            if (exchange.getRequestMethod().equals("POST")) {
                check(found.find());
                store(understood(found.group(1)));
            } else status = 405;
        } catch (IllegalArgumentException | StackOverflowError error) {
            status = 400;
        } catch (IOException error) {
            status = 500;
        }
        byte[] text = (status == 200 ? "SUCCESS" : "status " + status).getBytes();
        exchange.getResponseHeaders().set("Content-Type", "text/plain");
        exchange.sendResponseHeaders(status, text.length);
        exchange.getResponseBody().write(text);
        exchange.close();
    }

    public static void main(String[] arguments) throws IOException {
        Path path = Path.of(System.getenv("DATA"), "reports.jsonl");
        file = FileChannel.open(path, CREATE, READ, WRITE);
        ByteBuffer stored = ByteBuffer.allocate((int) file.size());
        while (stored.hasRemaining() && file.read(stored) >= 0) {}
        String text = new String(stored.array(), UTF_8);
        String whole = text.substring(0, text.lastIndexOf('\n') + 1);
        file.truncate(whole.getBytes(UTF_8).length); // without a line that a crash has torn
        whole.lines().forEach(line -> sids.addAll(understood(line).keySet()));
        int port = Integer.parseInt(System.getenv("PORT"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.createContext("/", Receiver::answer);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.start();
    }
}
