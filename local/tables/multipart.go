package tables

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"github.com/calbridge/calbridge/shared/state"
)

const (
	batchResponse     = "batchresponse_5d0f9a3e-2b1c-4f6e-9a7d-3c8e1b2f4a60"
	changesetResponse = "changesetresponse_b7c4d1e2-6f3a-4e58-8d90-1a2b3c4d5e6f"
)

// transaction is an entity group transaction: POST $batch with one change set.
// What is wrong with a change is answered inside the multipart body with 202,
// what is wrong with the body itself with 400.
func (s *Server) transaction(r *http.Request, body []byte) reply {
	parts, err := readBatch(r.Header.Get("Content-Type"), body)
	if err != nil {
		return s.refused(err)
	}
	table, changes, err := decodeParts(parts)
	if err == nil {
		err = checkTogether(changes)
	}
	if err != nil {
		return s.refusedBatch(err)
	}
	op := Operation{Kind: KindTransaction, Table: table, Partition: changes[0].Entity.Partition, Changes: len(changes)}
	return s.attempt(op, func() reply {
		written, err := s.store.apply(table, changes)
		if err != nil {
			return s.refusedBatch(err)
		}
		return reply{status: http.StatusAccepted, body: s.acceptedBatch(table, parts, written)}
	})
}

// part is one request inside a change set.
type part struct {
	method, url string
	header      http.Header
	body        []byte
}

// readBatch takes the multipart body apart.
func readBatch(contentType string, body []byte) ([]part, error) {
	outer, err := partsOf(contentType, bytes.NewReader(body))
	if err != nil {
		return nil, refuse("InvalidInput")
	}
	changeset, err := outer.NextRawPart()
	if err != nil {
		return nil, refuse("InvalidInput")
	}
	inner, err := partsOf(changeset.Header.Get("Content-Type"), changeset)
	if err != nil {
		return nil, refuse("NotImplemented") // a query in a batch
	}
	parts, err := readParts(inner)
	if err != nil || len(parts) == 0 {
		return nil, refuse("InvalidInput")
	}
	if _, err := outer.NextRawPart(); err != io.EOF {
		return nil, refuse("InvalidInput") // a second change set
	}
	return parts, nil
}

func partsOf(contentType string, body io.Reader) (*multipart.Reader, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/mixed" || params["boundary"] == "" {
		return nil, errors.New("not multipart/mixed")
	}
	return multipart.NewReader(body, params["boundary"]), nil
}

func readParts(inner *multipart.Reader) (parts []part, err error) {
	for {
		p, err := inner.NextRawPart()
		if err == io.EOF {
			return parts, nil
		}
		if err != nil {
			return nil, err
		}
		if p.Header.Get("Content-Type") != "application/http" {
			return nil, errors.New("not a request")
		}
		text, err := io.ReadAll(p)
		if err != nil {
			return nil, err
		}
		one, err := readPart(text)
		if err != nil {
			return nil, err
		}
		parts = append(parts, one)
	}
}

// readPart reads a request line, headers and a body up to the end of the part.
func readPart(text []byte) (part, error) {
	head, body, ok := bytes.Cut(text, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	words := strings.Split(lines[0], " ")
	if !ok || len(words) != 3 || words[2] != "HTTP/1.1" {
		return part{}, errors.New("not a request")
	}
	p := part{method: words[0], url: words[1], header: http.Header{}, body: body}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return part{}, errors.New("not a header")
		}
		p.header.Add(textproto.TrimString(name), textproto.TrimString(value))
	}
	return p, nil
}

// decodeParts makes changes of one table out of them.
func decodeParts(parts []part) (table string, changes []state.Change, err error) {
	changes = make([]state.Change, len(parts))
	for i, p := range parts {
		at, err := p.address()
		if err == nil && i > 0 && at.table != table {
			err = refuse("InvalidInput")
		}
		if err == nil {
			table = at.table
			changes[i], err = decodeChange(p.method, at, p.header, p.body)
		}
		if err != nil {
			return "", nil, refusalOf(err).at(i)
		}
	}
	return table, changes, nil
}

func (p *part) address() (address, error) {
	u, err := url.Parse(p.url)
	if err != nil {
		return address{}, refuse("InvalidInput")
	}
	path, ok := strings.CutPrefix(u.EscapedPath(), "/"+state.DevelopmentAccount+"/")
	if !ok {
		return address{}, refuse("InvalidInput")
	}
	return parseAddress(path)
}

const (
	responseHead = "--" + batchResponse + "\r\nContent-Type: multipart/mixed; boundary=" + changesetResponse + "\r\n\r\n"
	responsePart = "--" + changesetResponse + "\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nHTTP/1.1 "
	responseTail = "--" + changesetResponse + "--\r\n--" + batchResponse + "--\r\n"
	partHeaders  = "\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-cache\r\nDataServiceVersion: 3.0;\r\n"
)

// acceptedBatch answers every part.
func (s *Server) acceptedBatch(table string, parts []part, written []*row) []byte {
	b := append(make([]byte, 0, 512*len(parts)), responseHead...)
	for i, r := range written {
		full := parts[i].method == http.MethodPost && parts[i].header.Get("Prefer") != "return-no-content"
		status := "204 No Content"
		if full {
			status = "201 Created"
		}
		b = append(append(append(b, responsePart...), status...), partHeaders...)
		if r != nil {
			b = append(append(append(b, "ETag: "...), r.etag...), "\r\n"...)
		}
		if full {
			b = append(b, "Content-Type: "+contentType(true)+"\r\n\r\n"...)
			b = appendRow(b, r, true, nil)
		}
		b = append(b, "\r\n\r\n"...)
	}
	return append(b, responseTail...)
}

// refusedBatch answers with the one part that stands for the whole change set.
func (s *Server) refusedBatch(err error) reply {
	e := refusalOf(err)
	if e.index < 0 { // the table is missing: the first change met it
		e.index = 0
	}
	b := append([]byte(responseHead+responsePart), strconv.Itoa(e.status)+" "+http.StatusText(e.status)+partHeaders...)
	b = append(b, "Content-Type: application/json;odata=minimalmetadata;charset=utf-8\r\n\r\n"...)
	b = append(b, e.body(s.requestID(), s.store.now().UTC().Format(dateTime))...)
	return reply{status: http.StatusAccepted, body: append(append(b, "\r\n"...), responseTail...)}
}
