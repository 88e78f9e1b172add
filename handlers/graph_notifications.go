package handlers

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/calbridge/calbridge/shared/subscribe"
)

// Receiver takes what Graph tells of changes.
type Receiver interface {
	// Receive takes the body of a call. What is not genuine is counted and causes
	// nothing. An error means that the bus refused, and that Graph has to send it again.
	Receive(ctx context.Context, body []byte) (subscribe.Received, error)
}

// maxToken bounds the text that Graph wants back, in bytes; genuine ones have about 120.
const maxToken = 2048

// graphNotifications is the function GraphNotifications: POST graph/notifications,
// anonymous. Graph's change and lifecycle notifications are 202 once they are on the bus,
// and so is what anybody else posts, which is counted in the log and causes nothing:
// nobody learns here what is genuine. 503 where the bus refuses, and Graph sends it again
// for four hours (graph/contract.md 6.5).
//
// # The handshake
//
// Before Graph makes a subscription it wants a text back: 200, text/plain, the decoded
// text exactly, and nothing else (contract 6.3). Anybody can ask for any text, so that
// the answer could be a page of a stranger's on our host. Decided: what is sent back is
// plain text that no browser takes for anything else (nosniff, and a policy under which
// nothing runs), and the angle brackets in it are escaped as HTML would have them; no
// other character is touched. A genuine text has letters, digits, blanks and -:.,=/+ and
// comes back as it was. A text that is longer than any genuine one, that is not UTF-8, or
// that has control characters is refused with 400, and nothing of it is sent back.
type graphNotifications struct {
	receive Receiver
	log     *slog.Logger
}

func (g graphNotifications) post(ctx context.Context, r *request) answer {
	if query := r.URL.Query(); query.Has("validationToken") {
		return handshake(query.Get("validationToken"))
	}
	body, err := io.ReadAll(http.MaxBytesReader(r.writer, r.Body, subscribe.MaxBody))
	if err != nil {
		body = nil // too long, or cut off: nothing of it is taken
	}
	got, err := g.receive.Receive(ctx, body)
	if got.Bogus > 0 {
		g.log.WarnContext(ctx, "notifications refused", "function", "GraphNotifications", "bogus", got.Bogus, "good", got.Good)
	}
	if err != nil {
		return unavailable(err)
	}
	return answer{status: http.StatusAccepted, body: struct{}{}}
}

// escaped are the characters that begin or end markup.
var escaped = strings.NewReplacer("<", "&lt;", ">", "&gt;")

func handshake(token string) answer {
	if token == "" || len(token) > maxToken || !utf8.ValidString(token) || strings.ContainsFunc(token, unicode.IsControl) {
		return problemAnswer(codeInvalid, "The query parameter validationToken is not one of Graph's.")
	}
	text := escaped.Replace(token)
	return answer{status: http.StatusOK, raw: []byte(text), headers: map[string]string{
		"Content-Type": "text/plain; charset=utf-8", "Content-Security-Policy": "default-src 'none'; sandbox"}}
}
