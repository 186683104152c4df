// PORT=8080 DATA=/var/reports go run receiver.go
// Reads the body itself: ParseForm makes a space of every +, and takes 10 MB at most.
package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
)

type report = map[string]json.RawMessage // numbers of 64 bits stay exact

var parameter = regexp.MustCompile(`(?:^|&)voice_status=([^&]*)`)

// Takes encodings off until the text is JSON: senders encode once, twice or three times.
func understood(text string) (reports []report) {
	for round := 0; round < 5; round++ {
		if strings.HasPrefix(text, "{") {
			text = "[" + text + "]"
		}
		if reports = nil; json.Unmarshal([]byte(text), &reports) == nil {
			break
		}
		if !strings.Contains(text, "%20") { // with %20 for a space, + means plus
			text = strings.ReplaceAll(text, "+", "%20")
		}
		text, _ = url.PathUnescape(text) // "" if it cannot
	}
	return
}

// Makes the report's sid text; returns "" without one.
func sidOf(each report) (sid string) {
	var number json.Number
	if json.Unmarshal(each["sid"], &sid) != nil && json.Unmarshal(each["sid"], &number) == nil {
		sid = number.String()
		each["sid"] = json.RawMessage(`"` + sid + `"`)
	}
	return
}

func main() {
	file, err := os.OpenFile(os.Getenv("DATA")+"/reports.jsonl", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	stored, _ := io.ReadAll(file)
	size := int64(strings.LastIndex(string(stored), "\n") + 1)
	file.Truncate(size) // a line that a crash has torn
	sids := map[string]bool{}
	for _, line := range strings.Split(string(stored[:size]), "\n") {
		for _, each := range understood(line) {
			sids[sidOf(each)] = true
		}
	}
	lock := sync.Mutex{}
	http.HandleFunc("/", func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(http.MaxBytesReader(w, request.Body, 8<<20))
		found := append(parameter.FindSubmatch(body), nil, nil)[1]
		reports, lines := understood(string(found)), ""
		lock.Lock()
		defer lock.Unlock()
		fresh := map[string]bool{}
		for _, each := range reports {
			if sid := sidOf(each); sid == "" {
				reports = nil // one without a sid: not a push
			} else if !sids[sid] && !fresh[sid] {
				line, _ := json.Marshal(each)
				lines, fresh[sid] = lines+string(line)+"\n", true
			}
		}
		if request.Method != "POST" {
			http.Error(w, "only POST", 405)
		} else if reports == nil {
			http.Error(w, "not a push", 400)
		} else if _, err := file.WriteAt([]byte(lines), size); err != nil || file.Sync() != nil {
			file.Truncate(size)
			http.Error(w, "not stored", 500)
		} else {
			size += int64(len(lines))
			for sid := range fresh {
				sids[sid] = true
			}
			io.WriteString(w, "SUCCESS")
		}
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
