<?php
// PORT=8080 DATA=/var/reports php -d enable_post_data_reading=0 -S 127.0.0.1:8080 receiver.php
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
            return is_object($json) ? [$json] : $json;
        }
        // With %20 for a space, + means plus.
        $text = str_contains($text, '%20') ? rawurldecode($text) : urldecode($text);
    }
    return null;
}

/** Appends the reports that are new; returns when they are on disk. */
function store(array $reports, string $path): void {
    ($file = fopen($path, 'c+')) && flock($file, LOCK_EX) or throw new Exception('cannot open');
    for ($known = [], $end = 0; ($line = fgets($file)) && str_ends_with($line, "\n");) {
        $known[json_decode($line)->sid] = true; // in earnest: a unique key of your database
        $end += strlen($line);
    }
    feof($file) && ftruncate($file, $end) or throw new Exception('cannot read'); // cuts a torn line
    fseek($file, $end);
    $new = '';
    foreach ($reports as $report) {
        $json = json_encode($report, JSON_PRESERVE_ZERO_FRACTION | JSON_THROW_ON_ERROR);
        $new .= isset($known[$report->sid]) ? '' : "$json\n";
        $known[$report->sid] = true;
    }
    if (fwrite($file, $new) !== strlen($new) || !fsync($file)) {
        ftruncate($file, $end);
        throw new Exception('cannot write');
    }
}

$_SERVER['REQUEST_METHOD'] === 'POST' or answer(405, 'only POST');
preg_match('/(?:^|&)voice_status=([^&]*)/', file_get_contents('php://input'), $found);
$reports = understood($found[1] ?? '');
foreach (is_array($reports) ? $reports : answer(400, 'not a push') as $report) {
    $sid = $report->sid ?? '';
    is_int($sid) || is_string($sid) && $sid !== '' or answer(400, 'a report without sid');
    $report->sid = (string) $sid;
}
try {
    store($reports, getenv('DATA') . '/reports.jsonl');
} catch (Throwable $error) {
    answer(500, $error->getMessage());
}
answer(200, 'SUCCESS');
