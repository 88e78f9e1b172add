package host

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// OAuth's code comes under the name that also carries a function key (§2.2): the host
// must neither take it for a wrong key nor keep it for itself, and must pass the 303
// with its cookies on instead of following it (identity.md section 5).
func TestOAuthsCodeReachesTheCallbacksThoughItIsNamedLikeAKey(t *testing.T) {
	functions := map[string]string{}
	for _, name := range []string{"ConsentCallback", "ConnectCallback", "Portal"} {
		text, err := os.ReadFile(filepath.Join("../../functions", name, "function.json"))
		if err != nil {
			t.Fatal(err)
		}
		functions[name] = string(text)
	}
	handler := newHandler()
	handler.set(func(call) string {
		return "HTTP/1.1 303 See Other\r\nLocation: /api/portal/attempt/x\r\nSet-Cookie: __Host-cb-x=1; Path=/; Secure\r\nSet-Cookie: __Host-cb-y=2; Path=/; Secure\r\n" +
			"Content-Length: 0\r\n\r\n"
	})
	h := start(t, writeRoot(t, plainHostJSON, functions), handler, nil)
	const query = "code=0.AXoAbc-_~.!*M.C5&state=aaaa.bbbb_-.cccc&session_state=1"
	for _, path := range []string{"/api/consent/callback", "/api/connect/callback"} {
		resp, _ := h.raw(t, get(path+"?"+query))
		if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/api/portal/attempt/x" || len(resp.Header["Set-Cookie"]) != 2 {
			t.Errorf("%s: %d %v", path, resp.StatusCode, resp.Header)
		}
		got := handler.next(t)
		for part := range strings.SplitSeq(query, "&") {
			if !strings.Contains(strings.NewReplacer("%21", "!", "%2A", "*", "%7E", "~").Replace(got.target), part) {
				t.Errorf("%s: the handler saw %s, which lacks %s", path, got.target, part)
			}
		}
		handler.none(t)
	}
	request := "POST /api/portal/go/abc?r=user&s=x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\n\r\nform=x"
	resp, _ := h.raw(t, request)
	if got := handler.next(t); resp.StatusCode != http.StatusSeeOther || got.target != "/api/portal/go/abc?r=user&s=x" || got.method != http.MethodPost {
		t.Errorf("a form: %d, handler saw %s %s", resp.StatusCode, got.method, got.target)
	}
	// HEAD, which mail scanners send to links too, opens nothing (identity.md section 1).
	if resp, _ := h.raw(t, "HEAD /api/portal/go/abc?r=user&s=x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("HEAD: %d", resp.StatusCode)
	}
	// Nobody posts to a callback (guard 5).
	if resp, _ := h.raw(t, "POST /api/consent/callback HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("POST: %d", resp.StatusCode)
	}
	handler.none(t)
}
