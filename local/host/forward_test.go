package host

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// webRoot has one function per kind of route; HandleWork is what strangers aim at.
func webRoot(t testing.TB) string {
	return writeRoot(t, plainHostJSON, map[string]string{
		"Items":   httpFunction("anonymous", "items/{id}"),
		"Rest":    httpFunction("anonymous", "rest/{*rest}"),
		"Held":    httpFunction("anonymous", "held/{*rest:regex(^[A-Za-z0-9/_-]*$)}"),
		"Guarded": httpFunction("anonymous", `guarded/{name:regex(^[A-Za-z0-9][A-Za-z0-9._-]*$)}/{resource:alpha?}/{id:regex(^[A-Za-z0-9_-]*$)?}/{action:alpha?}`),
		"Token":   httpFunction("anonymous", `feeds/{token:regex(^[A-Za-z0-9_-]{{20,100}}$)}`, "get", "head"),
		"Keyed":   httpFunction("function", "keyed", "get", "post"),
		"Master":  httpFunction("admin", "master"),
		"Number":  httpFunction("anonymous", "number/{n:int:length(1,4)}"),
		"Plain":   httpFunction("anonymous", "items/plain"),
	})
}

func TestForwardedPathIsRebuilt(t *testing.T) {
	h := start(t, webRoot(t), newHandler(), nil)
	for _, c := range []struct{ name, target, want string }{
		{"as it is", "/api/items/7", "/api/items/7"},
		{"encoded backslashes leave the route", `/api/items/..%5C..%5CHandleWork`, "/HandleWork"},
		{"raw backslashes leave the route", `/api/items/..\..\HandleWork`, "/HandleWork"},
		{"doubly encoded dots and backslashes", "/api/items/%252e%252e%5C%252e%252e%5CHandleWork", "/HandleWork"},
		{"catch-all and backslashes", `/api/rest/..%5C..%5CHandleWork`, "/HandleWork"},
		{"catch-all and doubly encoded dots", "/api/rest/%252e%252e/%252e%252e/HandleWork", "/HandleWork"},
		{"another function without its key", `/api/items/..%5Cmaster`, "/api/master"},
		{"question mark cuts", "/api/rest/a%3Fb/c?x=1", "/api/rest/a?x=1"},
		{"number sign cuts", "/api/rest/a%23b/c?x=1", "/api/rest/a?x=1"},
		{"letters decoded once more", "/api/items/%2541", "/api/items/A"},
		{"doubly encoded slash becomes encoded", "/api/items/a%252Fb", "/api/items/a%2Fb"},
		{"backslash inside", "/api/items/a%5Cb", "/api/items/a/b"},
		{"encoded slash is kept", "/api/items/a%2Fb", "/api/items/a%2Fb"},
		{"blank is kept", "/api/items/a%20b", "/api/items/a%20b"},
		{"UTF-8 is kept", "/api/items/caf%C3%A9", "/api/items/caf%C3%A9"},
		{"two slashes in a catch-all are kept", "/api/rest/a//b", "/api/rest/a//b"},
		{"line feed at the end is trimmed", "/api/guarded/acme%0A", "/api/guarded/acme"},
		{"plain dots are resolved before routing", "/api/rest/../items/7", "/api/items/7"},
		{"route prefix in another case", "/API/Items/7", "/API/Items/7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, _ := h.raw(t, request("POST", c.target, "stolen"))
			if resp.StatusCode != 200 {
				t.Fatalf("%s: status %d", c.target, resp.StatusCode)
			}
			got := h.handler.next(t)
			if got.target != c.want || got.method != "POST" || got.body != "stolen" {
				t.Errorf("%s: handler saw %s %s %q, want POST %s", c.target, got.method, got.target, got.body, c.want)
			}
		})
	}
}

func TestFrontEndHeadersAreBelieved(t *testing.T) {
	h := start(t, webRoot(t), newHandler(), nil)
	h.awaitReady(t)
	for _, c := range []struct {
		name       string
		headers    []string
		path, host string
		status     int
	}{
		{"scheme bends any route", []string{"X-Forwarded-Proto: http://x/HandleWork?"}, "/HandleWork", "app.example", 200},
		{"of several schemes the first", []string{"X-Forwarded-Proto: https", "X-Forwarded-Proto: http://x/HandleWork?"}, "/api/keyed", "app.example", 200},
		{"host is replaced", []string{"DISGUISED-HOST: 127.0.0.1:1234"}, "/api/keyed", "127.0.0.1:1234", 200},
		{"both together", []string{"DISGUISED-HOST: 127.0.0.1:1", "X-Forwarded-Proto: http://x/HandleWork?"}, "/HandleWork", "127.0.0.1:1", 200},
		{"host bends the path too", []string{"DISGUISED-HOST: x/HandleWork?"}, "/HandleWork", "x/HandleWork?", 200},
		{"two disguised hosts", []string{"DISGUISED-HOST: a", "DISGUISED-HOST: b"}, "", "", 500},
		{"no effect", []string{"X-Forwarded-Host: a", "X-Original-Host: a", "X-Host: a", "Forwarded: host=a", "X-Original-URL: /HandleWork"}, "/api/keyed", "app.example", 200},
		{"no URI", []string{"X-Forwarded-Proto: ht tp"}, "", "", 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body := h.raw(t, get("/api/keyed", append(c.headers, "x-functions-key: local-function")...))
			if resp.StatusCode != c.status {
				t.Fatalf("status %d, want %d", resp.StatusCode, c.status)
			}
			if c.status != 200 {
				if body != "" {
					t.Errorf("body %q, want none", body)
				}
				h.handler.none(t)
				return
			}
			got := h.handler.next(t)
			if got.target != c.path || got.host != c.host {
				t.Errorf("handler saw %q at host %q, want %q at %q", got.target, got.host, c.path, c.host)
			}
			for _, header := range c.headers {
				if name, _, _ := strings.Cut(header, ":"); got.header.Get(name) == "" {
					t.Errorf("handler does not see %s", name)
				}
			}
		})
	}
}

// A second or malformed Host or a contradicting target is refused (§2.1), so that no
// header but those two decides on path and Host.
func TestContradictingHostsAreRefused(t *testing.T) {
	h := start(t, webRoot(t), newHandler(), nil)
	h.awaitReady(t)
	for name, head := range map[string]string{
		"two Hosts":       "GET /api/items/7 HTTP/1.1\r\nHost: a\r\nHost: 127.0.0.1:1",
		"no Host":         "GET /api/items/7 HTTP/1.1",
		"a path in Host":  "GET /api/items/7 HTTP/1.1\r\nHost: x/HandleWork",
		"a query in Host": "GET /api/items/7 HTTP/1.1\r\nHost: x?y",
		"absolute target": "GET http://127.0.0.1:1/HandleWork HTTP/1.1\r\nHost: app.example",
		"no path":         "GET HandleWork HTTP/1.1\r\nHost: app.example",
	} {
		t.Run(name, func(t *testing.T) {
			resp, _ := h.raw(t, head+"\r\n\r\n")
			if resp.StatusCode != 400 && resp.StatusCode != 500 {
				t.Errorf("status %d", resp.StatusCode)
			}
			h.handler.none(t)
		})
	}
}

func TestForwardedQueryIsParsedAndWrittenAgain(t *testing.T) {
	h := start(t, webRoot(t), newHandler(), nil)
	for _, c := range []struct{ query, want string }{
		{"?a=1&A=2", "?a=1,2"},
		{"?a=1&a=&a=3", "?a=1,3"},
		{"?flag", "?flag="},
		{"?x=a%2Cb", "?x=a,b"},
		{"?x=a+b", "?x=a%20b"},
		{"?t[]=1", "?t%5B%5D=1"},
		{"?b=1&a=2", "?b=1&a=2"},
		{"?code=local-function", "?code=local-function"},
		{"?&&a=1&", "?a=1"},
		{"?", ""},
		{"?x=%C3%A9", "?x=%C3%A9"},
		{"?x=a%26b%3Dc", "?x=a%26b%3Dc"},
	} {
		resp, _ := h.raw(t, get("/api/items/7"+c.query))
		if resp.StatusCode != 200 {
			t.Fatalf("%s: %d", c.query, resp.StatusCode)
		}
		if got := h.handler.next(t); got.target != "/api/items/7"+c.want {
			t.Errorf("%s: handler saw %s, want query %s", c.query, got.target, c.want)
		}
	}
}

func TestForwardedHeaders(t *testing.T) {
	h := start(t, webRoot(t), newHandler(), nil)
	h.raw(t, request("POST", "/api/items/7", "x", "Accept: a", "Accept: b", "Content-Type: text/plain; charset=utf-8",
		"Content-Encoding: br", "Content-Language: fi", "TE: trailers", "X-MS-CLIENT-PRINCIPAL: me", "Cookie: a=b",
		"User-Agent: curl/8.9.1", "X-Azure-Functions-InvocationId: aaaa", "traceparent: 00-11111111111111111111111111111111-2222222222222222-01"))
	got := h.handler.next(t)
	for name, want := range map[string]string{
		"Accept": "a, b", "Content-Type": "text/plain; charset=utf-8", "Content-Length": "1", "Content-Encoding": "", "Content-Language": "",
		"Te": "trailers", "X-Ms-Client-Principal": "me", "Cookie": "a=b", "User-Agent": "curl/8.9.1 Azure-Functions-Host/4.1037.0",
		"X-Azure-Functions-Hostversion": "4.1037.0", "Traceparent": "00-11111111111111111111111111111111-2222222222222222-01",
	} {
		if v := strings.Join(got.header[name], "|"); v != want {
			t.Errorf("%s = %q, want %q", name, v, want)
		}
	}
	if id := got.header.Get("X-Azure-Functions-Invocationid"); !strings.HasPrefix(id, "aaaa, ") || len(id) != 6+36 {
		t.Errorf("invocation id %q, want the caller's and the host's", id)
	}
	h.raw(t, request("POST", "/api/items/7", "", "Content-Type: text/plain"))
	got = h.handler.next(t)
	if got.header.Get("Content-Length") != "0" || got.header.Get("Content-Type") != "" || got.header.Get("Traceparent") == "" {
		t.Errorf("POST without body: %s", got.head)
	}
	h.raw(t, get("/api/items/7"))
	if got = h.handler.next(t); got.header.Get("Content-Length") != "" || got.host != "app.example" {
		t.Errorf("GET: %s", got.head)
	}
}

func TestHostRefusesWithABare500(t *testing.T) {
	h := start(t, webRoot(t), newHandler(), nil)
	h.awaitReady(t)
	for name, req := range map[string]string{
		"chunked body":           "POST /api/items/7 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
		"malformed content type": request("POST", "/api/items/7", "x", "Content-Type: nonsense"),
		"header beyond ASCII":    get("/api/items/7", "X-Name: caf\xc3\xa9"),
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := h.raw(t, req)
			if resp.StatusCode != 500 || body != "" {
				t.Errorf("status %d with %q, want a bare 500", resp.StatusCode, body)
			}
			h.handler.none(t)
		})
	}
}

func TestForwardedReplies(t *testing.T) {
	handler := newHandler()
	h := start(t, webRoot(t), handler, nil)
	h.awaitReady(t)
	for _, c := range []struct {
		name, answer string
		status       int
		body         string
		header       map[string]string
	}{
		{"chunked leaves with a length", "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 201, "abc", map[string]string{"Content-Length": "3", "X": "y"}},
		{"redirect passes", "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", 302, "", map[string]string{"Location": "/x"}},
		{"no content closes", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", map[string]string{"Connection": "close"}},
		{"error status passes", "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 1\r\n\r\nx", 503, "x", map[string]string{"Retry-After": "5"}},
		{"broken connection", "", 500, "", nil},
		{"cut short", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 500, "", nil},
		{"header beyond ASCII", "HTTP/1.1 200 OK\r\nX: \xc3\xa9\r\nContent-Length: 0\r\n\r\n", 500, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			handler.set(func(call) string { return c.answer })
			req := get("/api/items/7")
			if c.name == "cut short" {
				req = get("/api/items/7", "Connection: close") // copied: the handler closes after its reply
			}
			resp, body := h.raw(t, req)
			if resp.StatusCode != c.status || body != c.body {
				t.Errorf("%d %q, want %d %q", resp.StatusCode, body, c.status, c.body)
			}
			for name, want := range c.header {
				got := resp.Header.Get(name)
				if name == "Connection" && resp.Close {
					got = "close"
				}
				if got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
		})
	}
	if _, ok := h.log.find("unhandled exception"); !ok {
		t.Error("204 logged no exception")
	}
}

func TestRepeatedResponseHeadersStaySeparate(t *testing.T) {
	handler := newHandler()
	handler.set(func(call) string {
		return "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n"
	})
	h := start(t, webRoot(t), handler, nil)
	resp, _ := h.raw(t, get("/api/items/7"))
	if got := resp.Header["Set-Cookie"]; len(got) != 2 {
		t.Errorf("Set-Cookie %q", got)
	}
	if _, ok := resp.Header["Content-Type"]; ok {
		t.Error("a content type was invented")
	}
}

func TestRoutesMethodsAndKeys(t *testing.T) {
	root := webRoot(t)
	h := start(t, root, newHandler(), func(o *Options) { o.Env = []string{"AzureWebJobs_Plain_Disabled=true"} })
	for _, c := range []struct {
		request string
		want    int
	}{
		{get("/api/items/plain"), 200}, // disabled, so items/{id} takes it
		{get("/api/items/"), 404},
		{get("/api/items/a/b"), 404},
		{get("/api/items//a"), 404},
		{get("/api/items/7/"), 200},
		{get("/items/7"), 404},
		{get("/apix/items/7"), 404},
		{get("/api/nothing"), 404},
		{get("/api/guarded/acme"), 200},
		{get("/api/guarded/acme/bookings"), 200},
		{get("/api/guarded/acme/bookings/ics"), 200},
		{get("/api/guarded/acme/bookings/x_1/sync"), 200},
		{get("/api/guarded/acme/book1ngs"), 404},
		{get("/api/guarded/.acme"), 404},
		{get("/api/guarded/a%5Cb"), 404},
		{get("/api/guarded/acme/bookings/x/sync/y"), 404},
		{get("/api/feeds/" + strings.Repeat("a", 20)), 200},
		{get("/api/feeds/" + strings.Repeat("a", 19)), 404},
		{get("/api/feeds/" + strings.Repeat("a", 101)), 404},
		{request("POST", "/api/feeds/"+strings.Repeat("a", 20), ""), 404},
		{get("/api/number/12"), 200},
		{get("/api/number/-3"), 200},
		{get("/api/number/x"), 404},
		{get("/api/number/12345"), 404},
		{get("/api/rest"), 200},
		{get("/api/held"), 404},
		{get("/api/held/a/b"), 200},
		{get("/api/held/a.b"), 404},
		{get("/api/keyed"), 401},
		{get("/api/keyed?code=local-function"), 200},
		{get("/api/keyed?code=local-admin"), 200},
		{get("/api/keyed", "x-functions-key: local-function"), 200},
		{get("/api/keyed?code=local-function", "x-functions-key: wrong"), 401},
		{get("/api/master", "x-functions-key: local-function"), 401},
		{get("/api/master", "x-functions-key: local-admin"), 200},
		{request("PUT", "/api/keyed", "", "x-functions-key: local-function"), 404},
		{get("/api/items/%00"), 400},
		{get("http://app.example/api/items/7"), 400},
		{get("/"), 200},
		{get("/admin/host/ping"), 200},
		{get("/admin/host/status"), 401},
		{get("/admin/host/status", "x-functions-key: local-admin"), 200},
		{get("/admin/functions", "x-functions-key: local-admin"), 200},
		{get("/admin/other", "x-functions-key: local-admin"), 404},
	} {
		if resp, body := h.raw(t, c.request); resp.StatusCode != c.want {
			t.Errorf("%s: %d %q, want %d", strings.SplitN(c.request, " HTTP", 2)[0], resp.StatusCode, body, c.want)
		}
	}
}

func TestMoreSpecificRouteWins(t *testing.T) {
	handler := newHandler()
	h := start(t, writeRoot(t, strings.Replace(plainHostJSON, "true", "false", 1), map[string]string{
		"A": httpFunction("anonymous", "{*all}"), "B": httpFunction("anonymous", "{x}/{y}"), "C": httpFunction("anonymous", "{x}/{y:int}"),
		"D": httpFunction("anonymous", "a/{y}"), "E": httpFunction("anonymous", "a/b"), "F": httpFunction("anonymous", "{*all:alpha}"),
	}), handler, nil)
	for target, want := range map[string]string{
		"/api/a/b": "/E", "/api/A/B": "/E", "/api/a/c": "/D", "/api/x/1": "/C", "/api/x/y": "/B", "/api/x": "/F", "/api/x/y/z": "/A", "/api/": "/A",
	} {
		if resp, _ := h.raw(t, get(target)); resp.StatusCode != 204 {
			t.Fatalf("%s: %d", target, resp.StatusCode)
		}
		if got := handler.next(t); got.target != want {
			t.Errorf("%s went to %s, want %s", target, got.target, want)
		}
	}
}

func TestTemplatesThatAreRefused(t *testing.T) {
	for _, route := range []string{
		"a/{b:regex(^[a-z]{2,3}$)}", "{a}-{b}", "{a", "a//b", "{*a}/b", "{*a?}", "{a=1}", "{a}/{a}", "{a:nothing}", "{a:length(x)}", "{a?}/b", "{}",
	} {
		if _, err := parseTemplate(route); err == nil {
			t.Errorf("%s was taken", route)
		}
	}
}

func TestHomePageCanBeSwitchedOff(t *testing.T) {
	h := start(t, webRoot(t), newHandler(), func(o *Options) { o.Env = []string{"AzureWebJobsDisableHomepage=true"} })
	if resp, body := h.raw(t, get("/")); resp.StatusCode != http.StatusNoContent || body != "" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

func TestMediaTypes(t *testing.T) {
	for text, want := range map[string]bool{
		"text/plain": true, "application/json; charset=utf-8": true, `a/b; c="d e"`: true, "a/b;": true,
		"text": false, "": false, "a/": false, "/b": false, "a/b; c": false, "a b/c": false, "a/b; c=d e": false,
	} {
		if got := isMediaType(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func ExampleNew() {
	_, err := New("nowhere", Options{})
	fmt.Println(err != nil)
	// Output: true
}
