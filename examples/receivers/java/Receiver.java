// PORT=8080 DATA=/var/reports java Receiver.java; the JDK has no JSON parser, so patterns do
import static java.nio.charset.StandardCharsets.UTF_8;
import com.sun.net.httpserver.*;
import java.io.*;
import java.net.*;
import java.util.*;
import java.util.regex.*;

public class Receiver {
    static final String TEXT = "\"(?:[^\"\\\\\\x00-\\x1f]|\\\\[^\\x00-\\x1f])*+\"";
    static final String MEMBER = ("\\s*T\\s*:\\s*(?:T|-?\\d[\\d.eE+-]*+|true|false|null"
        + "|[\\[{](?:T|[^\"\\[\\]{}])*+[\\]}])\\s*").replace("T", TEXT);
    static final Pattern REPORT = Pattern.compile(("\\{(?:(?!\\s*\"sid\")M,)*+\\s*\"sid\"\\s*:\\s*"
        + "(?!\"\")(T|-?\\d++)\\s*(?:,M)*+}").replace("T", TEXT).replace("M", MEMBER));
    static final String PUSH = "R|\\[\\s*(R(\\s*,\\s*R)*+)?+\\s*]".replace("R", REPORT.pattern());
    static final Set<String> sids = new HashSet<>();
    static final StringBuilder lines = new StringBuilder(); // what is not on disk yet
    static RandomAccessFile file;
    static int size; // of what is on disk

    static synchronized void store(String text) throws IOException {
        for (int round = 0; round < 3 && !text.matches(PUSH); round++)
            text = URLDecoder.decode(text.contains("%20") ? text.replace("+", "%2B") : text, UTF_8);
        if (!text.matches(PUSH)) throw new IllegalArgumentException("not a push");
        text = text.replaceAll("(\"sid\"\\s*:\\s*)(-?\\d++)(?=\\s*[,}])", "$1\"$2\"");
        for (Matcher report = REPORT.matcher(text.replaceAll("[\r\n]", " ")); report.find(); )
            if (sids.add(report.group(1))) lines.append(report.group()).append('\n');
        file.setLength(size); // without a line that a crash or a full disk has torn
        file.write(lines.toString().getBytes(UTF_8));
        file.getFD().sync();
        size = (int) file.length();
        lines.setLength(0);
    }

    public static void main(String[] arguments) throws IOException {
        file = new RandomAccessFile(System.getenv("DATA") + "/reports.jsonl", "rw");
        byte[] in = new byte[(int) file.length()];
        file.readFully(in);
        for (size = in.length; size > 0 && in[size - 1] != '\n'; ) size--;
        REPORT.matcher(new String(in, 0, size, UTF_8)).results().forEach(r -> sids.add(r.group(1)));
        int port = Integer.parseInt(System.getenv("PORT"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.setExecutor(java.util.concurrent.Executors.newFixedThreadPool(8));
        server.createContext("/", exchange -> {
            String body = "&" + new String(exchange.getRequestBody().readAllBytes(), UTF_8) + "&";
            int status = exchange.getRequestMethod().equals("POST") ? 200 : 405;
            try {
                if (status == 200) store(body.replaceFirst("(?s).*?&voice_status=(.*?)&.*", "$1"));
            } catch (IllegalArgumentException | IOException error) {
                status = error instanceof IOException ? 500 : 400;
            }
            exchange.getResponseHeaders().set("Content-Type", "text/plain");
            exchange.sendResponseHeaders(status, 0);
            if (status == 200) exchange.getResponseBody().write("SUCCESS".getBytes(UTF_8));
            exchange.close();
        });
        server.start();
    }
}
