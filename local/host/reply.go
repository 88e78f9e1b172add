package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
)

// errHang is a reply that sets no result (§2.5).
var errHang = errors.New("the reply sets no result")

// result is what a handler answers to an envelope (§2.5).
type result struct {
	outputs     map[string]json.RawMessage
	returnValue json.RawMessage // nil for null or absent
	logs        []string
}

// readReply reads the reply to an envelope. It returns errHang for one that the real
// host waits on for ever, any other error for one that fails the invocation.
func readReply(r *reply) (*result, error) {
	if r.status < 200 || r.status > 299 {
		return nil, fmt.Errorf("response status code does not indicate success: %d", r.status)
	}
	if len(r.body) == 0 {
		return nil, errHang
	}
	if !isJSON(r.header.Get("Content-Type")) {
		return nil, fmt.Errorf("unsupported media type %q", r.header.Get("Content-Type"))
	}
	body := bytes.TrimPrefix(r.body, []byte("\xef\xbb\xbf"))
	var whole json.RawMessage
	err := json.NewDecoder(bytes.NewReader(body)).Decode(&whole)
	if errors.Is(err, io.EOF) || string(whole) == "null" {
		return nil, errHang
	}
	if err != nil {
		return nil, fmt.Errorf("the reply is not JSON: %w", err)
	}
	// encoding/json matches member names regardless of case, as the host does.
	var members struct {
		Outputs     map[string]json.RawMessage
		Logs        []json.RawMessage
		ReturnValue json.RawMessage
	}
	if err := json.Unmarshal(whole, &members); err != nil {
		return nil, fmt.Errorf("the reply is no result: %w", err)
	}
	res := &result{outputs: members.Outputs}
	if v := members.ReturnValue; len(v) > 0 && string(v) != "null" {
		res.returnValue = v
	}
	for _, l := range members.Logs {
		text, err := logText(l)
		if err != nil {
			return nil, err
		}
		res.logs = append(res.logs, text)
	}
	return res, nil
}

// isJSON reports whether the media type is one that the host's reader takes.
func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return false
	}
	return strings.EqualFold(media, "application/json") || strings.EqualFold(media, "text/json")
}

// logText is the text of one entry of Logs; only scalars are allowed.
func logText(raw json.RawMessage) (string, error) {
	switch raw[0] {
	case '{', '[':
		return "", errors.New("an entry of Logs is an object or an array")
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	case 'n':
		return "[null]", nil
	}
	return string(raw), nil
}
