package tables

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/calbridge/calbridge/shared/state"
)

// Server speaks the Table REST protocol on a loopback port.
type Server struct {
	store   *Store
	options Options
	key     []byte
	http    *http.Server
	address string

	requests atomic.Uint64
	down     atomic.Bool
	fail     atomic.Pointer[func(Operation) Fault]
	closing  chan struct{}
	close    sync.Once
}

// Options are what may be left out; nil means the defaults.
type Options struct {
	// PageSize is the most rows of one page, 1 to 1000; 0 means 1000.
	PageSize int
	// EmptyPages begins every query with a page that has no rows, only a
	// continuation, as the service may.
	EmptyPages bool
}

const maxPage = 1000

// Start serves store at address, such as "127.0.0.1:0" for a free port. The
// account's key is public knowledge, so only loopback addresses are accepted.
func Start(store *Store, address string, options *Options) (*Server, error) {
	s := &Server{store: store, closing: make(chan struct{})}
	if options != nil {
		s.options = *options
	}
	if s.options.PageSize <= 0 || s.options.PageSize > maxPage {
		s.options.PageSize = maxPage
	}
	var err error
	if s.key, err = base64.StdEncoding.DecodeString(state.DevelopmentKey); err != nil {
		return nil, fmt.Errorf("tables.Start: %w", err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("tables.Start: %w", err)
	}
	if tcp, ok := listener.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		return nil, errors.Join(errors.New("tables.Start: not a loopback address"), listener.Close())
	}
	s.address = listener.Addr().String()
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go s.http.Serve(listener) // ends with Close
	return s, nil
}

// URL is the endpoint, with the account in its path.
func (s *Server) URL() string { return "http://" + s.address + "/" + state.DevelopmentAccount }

// ConnectionString is what a client of this server needs, in the emulator's form.
func (s *Server) ConnectionString() string {
	return "DefaultEndpointsProtocol=http;AccountName=" + state.DevelopmentAccount +
		";AccountKey=" + state.DevelopmentKey + ";TableEndpoint=" + s.URL()
}

// Close stops the server, cutting what is under way. The Store stays as it is.
func (s *Server) Close() error {
	s.close.Do(func() { close(s.closing) })
	return s.http.Close()
}

// reply is an answer before it is written.
type reply struct {
	status int
	etag   string
	next   *between // where the next page begins
	table  string   // where the next page of tables begins
	body   []byte
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := s.serve(w, r)
	h := w.Header()
	h.Set("x-ms-version", r.Header.Get("x-ms-version"))
	h.Set("x-ms-request-id", s.requestID())
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	if answer.etag != "" {
		h.Set("ETag", answer.etag)
	}
	if answer.next != nil {
		h.Set("x-ms-continuation-NextPartitionKey", continuation(answer.next.partition))
		h.Set("x-ms-continuation-NextRowKey", continuation(answer.next.row))
	}
	if answer.table != "" {
		h.Set("x-ms-continuation-NextTableName", continuation(answer.table))
	}
	switch {
	case answer.status == http.StatusAccepted:
		h.Set("Content-Type", "multipart/mixed; boundary="+batchResponse)
	case answer.body != nil:
		h.Set("Content-Type", contentType(metadata(r.Header)))
	}
	w.WriteHeader(answer.status)
	w.Write(answer.body) // a caller that is gone needs none
}

// requestID is a GUID that counts.
func (s *Server) requestID() string {
	return fmt.Sprintf("00000000-0000-4000-8000-%012x", s.requests.Add(1))
}

func contentType(metadata bool) string {
	if metadata {
		return "application/json;odata=minimalmetadata;streaming=true;charset=utf-8"
	}
	return "application/json;odata=nometadata;streaming=true;charset=utf-8"
}

// serve judges the request as a whole and hands it to the operation it names.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) reply {
	if s.down.Load() {
		return s.refused(refuse("ServerBusy"))
	}
	if !authorized(r, state.DevelopmentAccount, s.key) {
		return s.refused(refuse("AuthenticationFailed"))
	}
	if err := checkHeaders(r.Header); err != nil {
		return s.refused(err)
	}
	body, err := readBody(w, r)
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return s.refused(refuse("RequestBodyTooLarge"))
	}
	if err != nil {
		return s.refused(refuse("InvalidInput"))
	}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	resource, ok := strings.CutPrefix(path, "/"+state.DevelopmentAccount+"/")
	if !ok {
		return s.refused(refuse("InvalidInput"))
	}
	return s.route(r, resource, body)
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(int(min(max(r.ContentLength, 0), state.MaxPayload)) + bytes.MinRead)
	_, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, state.MaxPayload))
	return b.Bytes(), err
}

// checkHeaders asks for what the JSON protocol needs since version 2013-08-15.
func checkHeaders(h http.Header) error {
	version := h.Get("x-ms-version")
	if version == "" {
		return refuse("MissingRequiredHeader")
	}
	if t, err := time.Parse(time.DateOnly, version); err != nil || t.Year() < 2013 {
		return refuse("InvalidHeaderValue")
	}
	if !strings.Contains(h.Get("Accept"), "application/json") {
		return refuse("AtomFormatNotSupported")
	}
	return nil
}

// metadata says whether the client wants types and ETags in JSON.
func metadata(h http.Header) bool { return !strings.Contains(h.Get("Accept"), "odata=nometadata") }

func (s *Server) route(r *http.Request, resource string, body []byte) reply {
	switch {
	case resource == "$batch" && r.Method == http.MethodPost:
		return s.transaction(r, body)
	case resource == "Tables" && r.Method == http.MethodGet:
		return s.attempt(Operation{Kind: KindListTables}, func() reply { return s.listTables(r) })
	case resource == "Tables" && r.Method == http.MethodPost:
		return s.createTable(r, body)
	case strings.HasPrefix(resource, "Tables(") && r.Method == http.MethodDelete:
		return s.deleteTable(resource)
	case resource == "" || resource == "$batch" || strings.HasPrefix(resource, "Tables"):
		return s.refused(refuse("NotImplemented"))
	}
	at, err := parseAddress(resource)
	if err != nil {
		return s.refused(err)
	}
	switch {
	case r.Method == http.MethodGet && at.keyed:
		return s.get(r, at)
	case r.Method == http.MethodGet:
		return s.query(r, at)
	}
	return s.write(r, at, body)
}

func (s *Server) refused(err error) reply {
	e := refusalOf(err)
	return reply{status: e.status, body: e.body(s.requestID(), s.store.now().UTC().Format(dateTime))}
}

// continuation makes an opaque token, never empty, out of a key.
func continuation(key string) string {
	return "1!" + strconv.Itoa(len(key)) + "!" + base64.RawURLEncoding.EncodeToString([]byte(key))
}

// continued reads what continuation made; an absent one is the beginning.
func continued(token string) (string, error) {
	if token == "" {
		return "", nil
	}
	parts := strings.SplitN(token, "!", 3)
	if len(parts) != 3 || parts[0] != "1" {
		return "", refuse("InvalidInput")
	}
	key, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || strconv.Itoa(len(key)) != parts[1] {
		return "", refuse("InvalidInput")
	}
	return string(key), nil
}
