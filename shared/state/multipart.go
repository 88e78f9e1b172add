package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// An entity group transaction on the wire (Microsoft, "Performing entity group
// transactions"): one multipart batch holding one multipart change set.

// The boundaries can be constant: in our bodies every value is JSON or escaped,
// so that no line of data can begin with two hyphens.
const (
	batchID      = "batch_36522ad7-fc75-4b56-8c71-56071383e77b"
	changesetID  = "changeset_77162fcd-b8da-41ac-a9f8-9357efbbd621"
	batchType    = "multipart/mixed; boundary=" + batchID
	batchHead    = "--" + batchID + "\r\nContent-Type: multipart/mixed; boundary=" + changesetID + "\r\n\r\n"
	batchTail    = "--" + changesetID + "--\r\n\r\n--" + batchID + "--\r\n"
	partHead     = "--" + changesetID + "\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
	innerHeaders = " HTTP/1.1\r\nAccept: application/json;odata=minimalmetadata\r\nContent-Type: application/json\r\n" +
		"DataServiceVersion: 3.0\r\nPrefer: return-no-content\r\n"
)

// appendBatch writes the request body. endpoint has no slash at its end.
func appendBatch(b []byte, endpoint, table string, changes []Change) []byte {
	b = append(b, batchHead...)
	for i := range changes {
		c := &changes[i]
		b = append(append(append(b, partHead...), method(c.Action)...), ' ')
		b = appendURL(b, endpoint, table, c)
		b = append(b, innerHeaders...)
		if tag := ifMatch(c); tag != "" {
			b = append(append(append(b, "If-Match: "...), tag...), "\r\n"...)
		}
		b = append(b, "\r\n"...)
		if c.Action != Delete {
			b = appendEntity(b, &c.Entity)
		}
		b = append(b, "\r\n"...) // belongs to the boundary that follows
	}
	return append(b, batchTail...)
}

func method(a Action) string {
	switch a {
	case Insert:
		return "POST"
	case InsertOrReplace, Replace:
		return "PUT"
	case Delete:
		return "DELETE"
	}
	return "PATCH"
}

// ifMatch is the header's value: none makes an update an upsert.
func ifMatch(c *Change) string {
	switch {
	case c.Action == Insert || c.Action == InsertOrReplace || c.Action == InsertOrMerge:
		return ""
	case c.Entity.ETag == "":
		return "*"
	}
	return c.Entity.ETag
}

func appendURL(b []byte, endpoint, table string, c *Change) []byte {
	b = append(append(append(b, endpoint...), '/'), table...)
	if c.Action == Insert {
		return b
	}
	b = append(b, "(PartitionKey='"...)
	b = appendKey(b, c.Entity.Partition)
	b = append(b, "',RowKey='"...)
	b = appendKey(b, c.Entity.Row)
	return append(b, "')"...)
}

// appendKey doubles quotes and escapes everything but the unreserved characters.
// aztables forgets the doubling in transactions.
func appendKey(b []byte, key string) []byte {
	for i := range len(key) {
		switch c := key[i]; {
		case letter(c) || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~':
			b = append(b, c)
		case c == '\'':
			b = append(b, "%27%27"...)
		default:
			b = append(b, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		}
	}
	return b
}

// outcome is one part of a batch's answer.
type outcome struct {
	status int
	etag   string
	fault  fault // of a refused one
}

// fault is the service's error body.
type fault struct {
	code string
	// index is what the message begins with in a transaction, "2:The entity…";
	// -1 without.
	index int
}

var errBatch = errors.New("the table service's answer to a transaction cannot be read")

// parseBatch reads the answer to a transaction: one part per change when all was
// done; when it was refused, the single part of the refused change. It goes by
// the boundaries that the body itself names, is indifferent to \r\n or \n and to
// blank lines, and never takes an unreadable answer for a success.
func parseBatch(body []byte) ([]outcome, error) {
	head, rest := cutLine(skipBlank(body))
	if !bytes.HasPrefix(head, []byte("--")) || len(head) < 3 {
		return nil, errBatch
	}
	inner := boundaryAfter(rest)
	if inner == nil {
		return nil, errBatch
	}
	var out []outcome
	for part := range eachPart(rest, inner) {
		o, ok := parsePart(part)
		if !ok {
			return nil, errBatch
		}
		out = append(out, o)
	}
	if len(out) == 0 {
		return nil, errBatch
	}
	return out, nil
}

// boundaryAfter finds the change set's boundary line: the first that begins with
// two hyphens after the headers of the batch's only part.
func boundaryAfter(b []byte) []byte {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		if len(line) > 2 && bytes.HasPrefix(line, []byte("--")) {
			return line
		}
	}
	return nil
}

// eachPart yields what stands between boundary lines, up to the closing one.
// A body cut short before it yields the last part too: parsePart judges it, and
// the caller counts.
func eachPart(b, boundary []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		start := -1
		for at := 0; at < len(b); {
			line, rest := cutLine(b[at:])
			next := len(b) - len(rest)
			if bytes.HasPrefix(line, boundary) {
				tail := line[len(boundary):]
				if len(tail) == 0 || string(tail) == "--" {
					if start >= 0 && !yield(b[start:at]) {
						return
					}
					if start = next; len(tail) > 0 {
						return
					}
				}
			}
			at = next
		}
	}
}

// parsePart reads a part's own headers, the status line, the inner headers and,
// for a refusal, the error body.
func parsePart(b []byte) (outcome, bool) {
	var line []byte
	for !bytes.HasPrefix(line, []byte("HTTP/")) {
		if len(b) == 0 {
			return outcome{}, false
		}
		line, b = cutLine(b)
	}
	words := bytes.Fields(line)
	if len(words) < 2 {
		return outcome{}, false
	}
	status, err := strconv.Atoi(string(words[1]))
	if err != nil || status < 100 || status > 599 {
		return outcome{}, false
	}
	o := outcome{status: status}
	for {
		if line, b = cutLine(b); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(bytes.TrimSpace(name), []byte("ETag")) {
			o.etag = string(bytes.TrimSpace(value))
		}
	}
	if status >= 300 {
		o.fault = parseFault(b)
	}
	return o, true
}

// parseFault reads the JSON of an error; what is not that has no code.
func parseFault(b []byte) fault {
	var answer struct {
		Error struct {
			Code    string
			Message struct{ Value string }
		} `json:"odata.error"`
	}
	if json.NewDecoder(bytes.NewReader(b)).Decode(&answer) != nil {
		return fault{index: -1}
	}
	return fault{code: answer.Error.Code, index: leadingIndex(answer.Error.Message.Value)}
}

// leadingIndex reads "12:…", -1 when the message does not begin like that.
func leadingIndex(message string) int {
	n := 0
	for i, c := range message {
		switch {
		case c >= '0' && c <= '9' && i < 4:
			n = n*10 + int(c-'0')
		case c == ':' && i > 0:
			return n
		default:
			return -1
		}
	}
	return -1
}

// refusedAt tells which of n changes a refusal means: the message's index, else
// the one after the parts that went well. A lone part without an index names
// none, and a wrong guess would make the caller leave out the wrong row.
func refusedAt(out []outcome, n int) (int, error) {
	at := out[len(out)-1].fault.index
	if at < 0 && (len(out) > 1 || n == 1) {
		at = len(out) - 1
	}
	if at < 0 || at >= n {
		return 0, fmt.Errorf("%w: change %d of %d refused", errBatch, at, n)
	}
	return at, nil
}

func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), rest
}

func skipBlank(b []byte) []byte { return bytes.TrimLeft(b, "\r\n\t ") }
