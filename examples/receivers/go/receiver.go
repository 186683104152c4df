package main // PORT=8080 DATA=/var/reports go run receiver.go

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
)

var object, sidNumber = regexp.MustCompile(`(?s)^\{.*`), regexp.MustCompile(`"sid"\s*:\s*(-?\d+)`)
var sids, lines, lock = map[string]bool{}, bytes.Buffer{}, sync.Mutex{}

func understood(text string) (reports []map[string]any) { // adds what is new to the lines
	if !json.Valid([]byte(text)) { // encoded twice; with %20 for a space, + means plus
		plus := map[bool]string{true: "%2B", false: "%20"}[strings.Contains(text, "%20")]
		text, _ = url.PathUnescape(strings.ReplaceAll(text, "+", plus))
	}
	text = sidNumber.ReplaceAllString(object.ReplaceAllString(text, "[$0]"), `"sid":"$1"`)
	json.Unmarshal([]byte(text), &reports)
	for _, each := range reports {
		if sid, _ := each["sid"].(string); sid == "" {
			return nil // not a push
		} else if !sids[sid] {
			sids[sid] = json.NewEncoder(&lines).Encode(each) == nil
		}
	}
	return
}

func main() {
	file, _ := os.OpenFile(os.Getenv("DATA")+"/reports.jsonl", os.O_RDWR|os.O_CREATE, 0o600)
	_, err := lines.ReadFrom(file)
	size := int64(bytes.LastIndexByte(lines.Bytes(), '\n') + 1)
	if err != nil || file.Truncate(size) != nil { // a line that a crash has torn
		panic("DATA is not a directory to write in")
	}
	understood("[" + strings.ReplaceAll(strings.TrimSpace(lines.String()[:size]), "\n", ",") + "]")
	lines.Reset()
	http.HandleFunc("/", func(w http.ResponseWriter, request *http.Request) {
		text := request.PostFormValue("voice_status")
		lock.Lock()
		defer lock.Unlock()
		if request.Method != "POST" {
			http.Error(w, "only POST", 405)
		} else if understood(text) == nil {
			http.Error(w, "not a push", 400)
		} else if _, err := file.WriteAt(lines.Bytes(), size); err != nil || file.Sync() != nil {
			http.Error(w, "not stored", 500)
		} else {
			size, lines = size+int64(lines.Len()), bytes.Buffer{}
			w.Write([]byte("SUCCESS"))
		}
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
