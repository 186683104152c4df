<?php
// export PORT=8080 DATA=/var/reports; php -d enable_post_data_reading=0 -S 127.0.0.1:$PORT receiver.php
// Reads php://input itself: $_POST is silently empty for a body over post_max_size.
ini_set('display_errors', '0'); // a warning in the answer is not SUCCESS

function answer(int $status, string $text): never {
    http_response_code($status);
    header('Content-Type: text/plain');
    exit($text);
}

/** Takes encodings off until the text is JSON: senders encode once, twice or three times. */
function understood(string $text): mixed {
    for ($round = 0; $round < 5; $round++) {
        $json = json_decode($text, false, 512, JSON_BIGINT_AS_STRING); // sid may be 64 bits wide
        if (json_last_error() === JSON_ERROR_NONE) {
            return $json;
        }
        // With %20 for a space, + means plus.
        $text = str_contains($text, '%20') ? rawurldecode($text) : urldecode($text);
    }
    answer(400, 'no JSON');
}

/** Appends the reports that are new; returns when they are on disk. */
function store(array $reports, string $path): void {
    $file = fopen($path, 'c+') or throw new RuntimeException('cannot open');
    flock($file, LOCK_EX) or throw new RuntimeException('cannot lock');
    for ($known = [], $end = 0; ($line = fgets($file)) !== false && str_ends_with($line, "\n");) {
        $known[json_decode($line)->sid] = true; // in earnest: a unique key of your database
        $end += strlen($line);
    }
    $new = '';
    foreach ($reports as $report) {
        $json = json_encode($report, JSON_UNESCAPED_UNICODE | JSON_PRESERVE_ZERO_FRACTION);
        $new .= isset($known[$report->sid]) ? '' : $json . "\n";
        $known[$report->sid] = true;
    }
    ftruncate($file, $end); // a line that a crash has torn
    fseek($file, $end);
    if (fwrite($file, $new) !== strlen($new) || !fflush($file) || !fsync($file)) {
        ftruncate($file, $end);
        throw new RuntimeException('cannot write');
    }
}

$_SERVER['REQUEST_METHOD'] === 'POST' or answer(405, 'only POST');
preg_match('/(?:^|&)voice_status=([^&]*)/', file_get_contents('php://input'), $found)
    or answer(400, 'no voice_status');
$reports = understood($found[1]);
$reports = is_object($reports) ? [$reports] : $reports;
foreach (is_array($reports) ? $reports : answer(400, 'no JSON array') as $report) {
    $sid = $report->sid ?? '';
    is_int($sid) || is_string($sid) && $sid !== '' or answer(400, 'a report without sid');
    $report->sid = (string) $sid;
}
try {
    store($reports, getenv('DATA') . '/reports.jsonl');
} catch (Throwable $error) {
    error_log($error->getMessage());
    answer(500, 'not stored');
}
answer(200, 'SUCCESS');
