package changes

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"

	"github.com/calbridge/calbridge/local/m365/exchange"
)

// token is where a link leads: into a round, or to the one after it.
type token struct {
	state, generation uint32
	position          uint32 // of the next unit
	lap               uint32 // how often a round that never ends has begun anew
	begun             bool   // a page of the round was told
	ends              bool   // of a link that ends a round
}

// Sizes of a token: its content, and the check that makes altered ones malformed.
const (
	tokenSize = 17
	checkSize = 15
)

// String writes a token, which nobody but a Tracker reads.
func (t token) String() string {
	b := make([]byte, 0, tokenSize+checkSize)
	flags := byte(0)
	if t.begun {
		flags |= 1
	}
	if t.ends {
		flags |= 2
	}
	b = append(b, flags)
	for _, n := range []uint32{t.state, t.generation, t.position, t.lap} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return base64.RawURLEncoding.EncodeToString(scrambled(append(b, check(b)...)))
}

// parseToken reads what String wrote, to the letter.
func parseToken(s string) (token, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != tokenSize+checkSize {
		return token{}, false
	}
	b = scrambled(b)
	if string(check(b[:tokenSize])) != string(b[tokenSize:]) || b[0] > 3 {
		return token{}, false
	}
	n := func(i int) uint32 { return binary.BigEndian.Uint32(b[1+4*i:]) }
	return token{state: n(0), generation: n(1), position: n(2), lap: n(3), begun: b[0]&1 != 0, ends: b[0]&2 != 0}, true
}

func check(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:checkSize]
}

// scrambled hides what a token says, and undoes it: every byte of the content is mixed
// with those of the check.
func scrambled(b []byte) []byte {
	out := append([]byte{}, b...)
	for i := range tokenSize {
		out[i] ^= b[tokenSize+i%checkSize]
	}
	return out
}

// expired is the 410 of 4.6, in the spelling that the switches want. s is nil where
// nothing is known of the state.
func (t *Tracker) expired(tok token, s *state) *exchange.Error {
	status, code := http.StatusGone, "SyncStateNotFound"
	if t.switches.ExpiredStatus != 0 {
		status = t.switches.ExpiredStatus
	}
	if t.switches.ExpiredCode != "" {
		code = t.switches.ExpiredCode
	}
	var known strings.Builder
	highest := uint32(0)
	if s != nil {
		highest = s.highest
		for i := len(s.kept) - 1; i >= 0; i-- {
			fmt.Fprintf(&known, "[%d]", s.kept[i].number)
		}
	}
	return refuse(status, code, fmt.Sprintf("The sync state generation is not found; generation=%d;[highest=%d]%s.", tok.generation, highest, known.String()))
}

// Location is the window of an expired link, as 410 may lead back to it (4.6); false
// where no switch asks for it or nothing is known.
func (t *Tracker) Location(tokenText string) (from, to string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tok, read := parseToken(tokenText)
	if !t.switches.Location || !read || int(tok.state) >= len(t.numbers) {
		return "", "", false
	}
	const layout = "2006-01-02T15:04:05Z"
	s := t.numbers[tok.state]
	return s.from.Format(layout), s.to.Format(layout), true
}
