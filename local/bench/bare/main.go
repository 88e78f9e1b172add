// Command bare makes the requests of a tape again with net/http and
// encoding/json alone, and prints the CPU time that took in milliseconds: what
// the handler is compared with. Bodies are encoded from values, answers decoded
// into values, bookings unpacked, table requests signed; the bus has no protocol
// but AMQP, so that part is azservicebus here too. It decides nothing: what the handler
// does beyond requests (being called by the host, decoding with checks, the
// decisions, the log) is the difference.
//
//	bare <tape> <url of the canned server> <connection string of a bus>
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/uuid"

	"github.com/calbridge/calbridge/local/bench/tape"
)

// workers make requests at the same time, as the host's slots do.
const workers = 32

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("want tape, url, connection string")
	}
	t, err := tape.Read(args[0])
	if err != nil {
		return err
	}
	p := &program{url: args[1], client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}}}
	for i := range t.Exchanges {
		p.requests = append(p.requests, prepare(i, &t.Exchanges[i]))
	}
	bus, err := azservicebus.NewClientFromConnectionString(args[2], nil)
	if err != nil {
		return err
	}
	defer bus.Close(ctx)
	sender, err := bus.NewSender("changes", nil)
	if err != nil {
		return err
	}
	before := cpu()
	if err := p.all(ctx); err != nil {
		return err
	}
	if err := publish(ctx, sender, t); err != nil {
		return err
	}
	fmt.Println((cpu() - before).Milliseconds())
	return nil
}

// program is what makes requests.
type program struct {
	url      string
	client   *http.Client
	requests []request
}

// request is one that is ready to be encoded.
type request struct {
	id     string
	source *tape.Exchange
	parts  []part
}

// part is text that goes as it is, then a value that is encoded.
type part struct {
	text  string
	value any
}

// prepare takes a body apart into what stays and what a program would encode:
// every line that is a JSON object.
func prepare(id int, e *tape.Exchange) request {
	r := request{id: strconv.Itoa(id), source: e}
	var text strings.Builder
	for line := range strings.Lines(string(e.Body)) {
		var value map[string]any
		if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &value) == nil {
			r.parts = append(r.parts, part{text.String(), value})
			text.Reset()
			continue
		}
		text.WriteString(line)
	}
	if text.Len() > 0 {
		r.parts = append(r.parts, part{text: text.String()})
	}
	return r
}

func (p *program) all(ctx context.Context) error {
	next := make(chan request)
	failed := make(chan error, workers)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for r := range next {
				if err := p.make(ctx, r); err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			}
		})
	}
	for _, r := range p.requests {
		next <- r
	}
	close(next)
	group.Wait()
	close(failed)
	return <-failed
}

// make encodes, signs, sends, and decodes one.
func (p *program) make(ctx context.Context, r request) error {
	var body bytes.Buffer
	for _, part := range r.parts {
		body.WriteString(part.text)
		if part.value != nil {
			if err := json.NewEncoder(&body).Encode(part.value); err != nil {
				return err
			}
		}
	}
	req, err := http.NewRequestWithContext(ctx, r.source.Method, p.url+r.source.Target, &body)
	if err != nil {
		return err
	}
	for name, values := range r.source.Header {
		if name != "Content-Length" {
			req.Header[name] = values
		}
	}
	req.Header.Set(tape.ID, r.id)
	if r.source.Service == "tables" {
		sign(req)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return decode(resp)
}

// key is as long as an account's.
var key = bytes.Repeat([]byte("k"), 64)

// sign is SharedKeyLite.
func sign(req *http.Request) {
	date := time.Now().UTC().Format(http.TimeFormat)
	req.Header.Set("x-ms-date", date)
	h := hmac.New(sha256.New, key)
	io.WriteString(h, date+"\n/devstoreaccount1"+req.URL.EscapedPath())
	req.Header.Set("Authorization", "SharedKeyLite devstoreaccount1:"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
}

// decode reads JSON, or every part of a multipart answer.
func decode(resp *http.Response) error {
	kind, params, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if strings.HasPrefix(kind, "multipart/") {
		for reader := multipart.NewReader(resp.Body, params["boundary"]); ; {
			part, err := reader.NextPart()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if _, err := io.ReadAll(part); err != nil {
				return err
			}
		}
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil || len(text) == 0 {
		return err
	}
	var value map[string]any
	if err := json.Unmarshal(text, &value); err != nil {
		return err
	}
	return unpack(value)
}

// unpack decodes the booking in a row that holds one.
func unpack(row map[string]any) error {
	packed, ok := row["body0"].(string)
	if !ok || row["enc"] != "gzip" {
		return nil
	}
	data, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		return err
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return err
	}
	var booking map[string]any
	return json.NewDecoder(r).Decode(&booking)
}

// publish sends the events, as many in one batch as the handler did.
func publish(ctx context.Context, sender *azservicebus.Sender, t tape.Tape) error {
	for rest := t.Events; len(rest) > 0; {
		n := min(t.Batch, len(rest))
		batch, err := sender.NewMessageBatch(ctx, nil)
		if err != nil {
			return err
		}
		for _, body := range rest[:n] {
			var value any
			if err := json.Unmarshal(body, &value); err != nil {
				return err
			}
			text, err := json.Marshal(value)
			if err != nil {
				return err
			}
			id, session, subject := uuid.NewString(), "lane", "calbridge.delivery.v1"
			message := &azservicebus.Message{MessageID: &id, SessionID: &session, Subject: &subject, Body: text,
				ApplicationProperties: map[string]any{"organization": "acme", "type": subject}}
			if err := batch.AddMessage(message, nil); err != nil {
				return err
			}
		}
		if err := sender.SendMessageBatch(ctx, batch, nil); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// cpu is the time this process has had, user and system.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
