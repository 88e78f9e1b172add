package handlers

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/calbridge/calbridge/shared/key"
	"github.com/calbridge/calbridge/shared/organization"
	"github.com/calbridge/calbridge/shared/problem"
)

// maxBody bounds the bodies of web requests other than bookings, in bytes.
const maxBody = 64 * 1024

const badCursor = "The query parameter after is not one that this list gave."

// route is one web route below /api. Patterns are literal but for {organization} and
// {connection}; letter case counts, and so does a trailing slash.
type route struct {
	function, method, pattern string
	serve                     func(context.Context, *request) answer
}

// request is a web request and the organisation its path names, "" for none.
type request struct {
	*http.Request
	writer       http.ResponseWriter
	organization string
	connection   key.Key // that its path names, zero for none
}

// match finds the route of a path as it came. Segments are decoded one by one,
// so that an encoded slash never makes two of them; proxying hosts send paths
// encoded where forwarding ones decode them (contract 2.2).
func match(routes []route, method, path string) (route, map[string]string, bool) {
	below, ok := strings.CutPrefix(path, "/api/")
	if !ok {
		return route{}, nil, false
	}
	segments := strings.Split(below, "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return route{}, nil, false
		}
		segments[i] = decoded
	}
	for _, r := range routes {
		if r.method != method {
			continue
		}
		if parameters, ok := r.match(segments); ok {
			return r, parameters, true
		}
	}
	return route{}, nil, false
}

func (r route) match(segments []string) (map[string]string, bool) {
	pattern := strings.Split(r.pattern, "/")
	if len(pattern) != len(segments) {
		return nil, false
	}
	parameters := map[string]string{}
	for i, p := range pattern {
		switch {
		case p == "{organization}" && organization.ValidID(segments[i]):
			parameters["organization"] = segments[i]
		case p == "{connection}" && isKey(segments[i]):
			parameters["connection"] = segments[i]
		case p != segments[i]:
			return nil, false
		}
	}
	return parameters, true
}

func isKey(text string) bool {
	_, err := key.Parse(text)
	return err == nil
}

// body reads a body of one of the media types, at most limit bytes. The second
// result is the answer when that is not what came.
func (r *request) body(limit int64, types ...string) ([]byte, *answer) {
	given, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := parameters["charset"]
	if err != nil || !slices.Contains(types, given) || charset != "" && !strings.EqualFold(charset, "utf-8") {
		a := problemAnswer(codeMediaType, "The body must be "+strings.Join(types, " or ")+", in UTF-8.")
		return nil, &a
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		a := problemAnswer(codeMediaType, "The body must not be compressed.")
		return nil, &a
	}
	body, err := io.ReadAll(http.MaxBytesReader(r.writer, r.Body, limit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		detail := "The body is larger than " + strconv.FormatInt(limit, 10) + " bytes."
		a := problemAnswer(codeTooLarge, detail, problem.Fault{Code: string(codeTooLarge), Detail: detail})
		return nil, &a
	}
	if err != nil {
		a := problemAnswer(codeInvalid, "The body could not be read.")
		return nil, &a
	}
	return body, nil
}

// page reads limit (1 to 200, default 100) and after of a list (wire.md, HTTP).
func (r *request) page() (after string, limit int, bad *answer) {
	query := r.URL.Query()
	after, limit = query.Get("after"), 100
	if given := query.Get("limit"); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil || n < 1 || n > 200 {
			a := problemAnswer(codeInvalid, "The query parameter limit must be 1 to 200.")
			return "", 0, &a
		}
		limit = n
	}
	if len(after) > 1024 {
		a := problemAnswer(codeInvalid, badCursor)
		return "", 0, &a
	}
	return after, limit, nil
}
