package msgraph

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/calbridge/calbridge/shared/graph"
)

// encodeBatch writes requests as one batch. Items are named 1 to n. The bodies go
// in as they are; they are JSON already.
func encodeBatch(requests []request) []byte {
	var b bytes.Buffer
	b.WriteString(`{"requests":[`)
	for i, r := range requests {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"id":"` + strconv.Itoa(i+1) + `","method":"` + r.method + `","url":`)
		writeString(&b, r.path)
		b.WriteString(`,"headers":{"Prefer":`)
		writeString(&b, preferImmutable)
		if r.ifMatch != "" {
			b.WriteString(`,"If-Match":`)
			writeString(&b, r.ifMatch)
		}
		if r.body != nil {
			b.WriteString(`,"Content-Type":"application/json"},"body":`)
			b.Write(r.body)
			b.WriteByte('}')
			continue
		}
		b.WriteString(`}}`)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func writeString(b *bytes.Buffer, s string) {
	quoted, _ := json.Marshal(s) // a string always encodes
	b.Write(quoted)
}

// batchItem is one response of a batch. Its members are decoded leniently, so
// that one odd item does not spoil the others.
type batchItem struct {
	ID      json.RawMessage            `json:"id"`
	Status  json.RawMessage            `json:"status"`
	Headers map[string]json.RawMessage `json:"headers"`
	Body    json.RawMessage            `json:"body"`
}

// decodeBatch finds the answers to n requests in a batch's answer, which may
// list them in any order. An item that is missing, is there twice, or has no
// status is a failure that may have happened: Transient and Unanswered.
func decodeBatch(outer answer, n int) []answer {
	answers := make([]answer, n)
	for i := range answers {
		answers[i].failure = &graph.Error{Kind: graph.Transient, Unanswered: true, Cause: errNoItem}
	}
	var batch struct {
		Responses []json.RawMessage `json:"responses"`
	}
	if outer.unreadable || json.Unmarshal(outer.body, &batch) != nil {
		return answers
	}
	seen := make([]bool, n)
	for _, raw := range batch.Responses {
		var item batchItem
		if json.Unmarshal(raw, &item) != nil {
			continue
		}
		id, err := strconv.Atoi(strings.Trim(string(item.ID), `"`))
		if err != nil || id < 1 || id > n {
			continue
		}
		if seen[id-1] {
			answers[id-1] = answer{failure: &graph.Error{Kind: graph.Transient, Unanswered: true, Cause: errTwoItems}}
			continue
		}
		seen[id-1] = true
		if a, ok := item.answer(outer.header); ok {
			answers[id-1] = a
		}
	}
	return answers
}

// answer reads one item. Headers that the item does not have (request-id, Date)
// are the batch's.
func (item batchItem) answer(outer http.Header) (answer, bool) {
	status, err := strconv.Atoi(strings.Trim(string(item.Status), `"`))
	if err != nil || status < 100 || status > 599 {
		return answer{}, false
	}
	a := answer{status: status, header: http.Header{}, body: item.Body}
	for _, name := range []string{"Date", "Request-Id"} {
		if v := outer.Get(name); v != "" {
			a.header.Set(name, v)
		}
	}
	for name, raw := range item.Headers {
		var value string
		if json.Unmarshal(raw, &value) != nil {
			value = string(raw) // a number
		}
		a.header.Set(name, value)
	}
	if len(a.body) > 0 && a.body[0] == '"' {
		a.body = decodeText(a.body)
	}
	return a, true
}

// decodeText reads a body that came as a string: base64 (contract 7, tag K) or
// plain text. What is not JSON then fails where it is read.
func decodeText(raw []byte) []byte {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return nil
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding, base64.URLEncoding} {
		if b, err := encoding.DecodeString(text); err == nil {
			return b
		}
	}
	return []byte(text)
}
