package handlers

import (
	"net/http"
	"strings"
)

// guard names one of the checks that stand in front of every route, after their
// numbers in functions/contract.md 2.1. The others are in function.json:
// constrained route parameters (3) and methods without post (5).
type guard uint8

const (
	// loopbackHost, guard 1: an envelope only where the Host header is exactly the
	// address we listen on. A forwarded request carries the public name.
	loopbackHost guard = 1 << iota
	// noFrontEnd, guard 2: an envelope only without the headers of a front end or of a
	// browser. It stops a caller who forged Host through DISGUISED-HOST, whatever forwards
	// to our port with Host rewritten, and a page in a browser on the same machine.
	noFrontEnd
	// plainForwarding, guard 4: no request at all whose forwarding headers could
	// have bent its path. Only this keeps strangers off web functions with a key.
	plainForwarding
)

type guards struct {
	host    string
	without guard
}

func (g guards) on(one guard) bool { return g.without&one == 0 }

// request reports whether a request may be looked at at all.
func (g guards) request(r *http.Request) bool {
	// The host sends paths only; an absolute target would also replace Host.
	if !strings.HasPrefix(r.RequestURI, "/") {
		return false
	}
	return !g.on(plainForwarding) || bendsNothing(r.Header)
}

// envelope reports whether a request to an envelope path is the host's own.
func (g guards) envelope(r *http.Request) bool {
	if g.on(loopbackHost) && r.Host != g.host {
		return false
	}
	return !g.on(noFrontEnd) || !fromFrontEnd(r.Header)
}

// bendsNothing reports whether the two headers that the host takes scheme and Host
// from hold nothing but a scheme and a name.
func bendsNothing(h http.Header) bool {
	for _, line := range h.Values("X-Forwarded-Proto") {
		for _, word := range strings.FieldsFunc(line, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' }) {
			if word != "http" && word != "https" {
				return false
			}
		}
	}
	for _, line := range h.Values("Disguised-Host") {
		if strings.ContainsAny(line, `/\?#`) {
			return false
		}
	}
	return true
}

// fromFrontEnd reports whether a header is there that an envelope never has:
// those of the contract, and those by which a web request or a browser gives itself
// away (guessed: a genuine envelope carries five headers and a trace).
func fromFrontEnd(h http.Header) bool {
	for name := range h {
		name = strings.ToLower(name)
		switch name {
		case "disguised-host", "forwarded", "x-functions-key", "authorization", "cookie", "origin", "referer":
			return true
		}
		for _, prefix := range []string{"x-forwarded-", "x-original-", "x-arr-", "x-waws-", "x-ms-", "sec-"} {
			if strings.HasPrefix(name, prefix) {
				return true
			}
		}
	}
	return false
}
