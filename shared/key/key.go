// Package key derives the names under which everything is stored and sent.
//
// A key is the first 16 bytes of SHA-256 over each part's 4-byte big-endian
// length and its UTF-8 bytes, exact, without case folding. Its text form is
// lower-case base32 without padding, 26 characters, which every table, session
// and message id accepts. The derivation is fixed: other programs compute lane
// keys to filter the changes topic.
package key

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/google/uuid"
)

// Namespace is the GUID below which all our UUIDv5 are made; it also names the
// extended property that marks our events.
const Namespace = "6d1f2c3a-8b57-4e0e-9a41-5c7e0b92d4f3"

// Size is the length of a key in bytes; TextSize that of its text form.
const (
	Size     = 16
	TextSize = 26
)

// Key identifies a lane, booking, delivery or mailbox. Keys are comparable.
type Key [Size]byte

// Kinds of target a lane can have.
const (
	User = "user"
	Room = "room"
)

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Of derives the key of a kind and its fields.
func Of(kind string, fields ...string) Key {
	h := sha256.New()
	var size [4]byte
	for _, part := range append([]string{kind}, fields...) {
		binary.BigEndian.PutUint32(size[:], uint32(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	return Key(h.Sum(nil)[:Size])
}

// Lane is the key of a target of an organisation; kind is User or Room. It
// stays the same when the target's mailbox changes.
func Lane(organization, kind, id string) Key { return Of("lane", organization, kind, id) }

// Booking is the key of a booking of an organisation.
func Booking(organization, id string) Key { return Of("booking", organization, id) }

// Delivery is the key of one booking for one target.
func Delivery(organization, booking, kind, target string) Key {
	return Of("delivery", organization, booking, kind, target)
}

// Organization is the session of an organisation's own messages.
func Organization(organization string) Key { return Of("organization", organization) }

// Parse reads the text form.
func Parse(s string) (Key, error) {
	var k Key
	if len(s) != TextSize {
		return k, fmt.Errorf("key.Parse: %d characters, want %d", len(s), TextSize)
	}
	b, err := encoding.DecodeString(s)
	if err != nil || len(b) != Size {
		return k, fmt.Errorf("key.Parse: not lower-case base32")
	}
	copy(k[:], b)
	if k.String() != s {
		return k, fmt.Errorf("key.Parse: not the canonical form")
	}
	return k, nil
}

// FromHex reads the form that marks carry; ok is false for anything else.
func FromHex(s string) (k Key, ok bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != Size {
		return Key{}, false
	}
	return Key(b), true
}

// String returns the text form.
func (k Key) String() string { return encoding.EncodeToString(k[:]) }

// Hex returns 32 lower-case hex digits, the form that marks carry.
func (k Key) Hex() string { return hex.EncodeToString(k[:]) }

// IsZero reports whether k names nothing.
func (k Key) IsZero() bool { return k == Key{} }

// UUID is the UUIDv5 of a name below Namespace.
func UUID(name string) string {
	return uuid.NewSHA1(uuid.MustParse(Namespace), []byte(name)).String()
}

// TransactionID is what a create of a delivery carries, so that Graph answers
// a repeated one with the event that is there (graph/contract.md 2.5).
func TransactionID(delivery Key, generation int) string {
	return UUID(fmt.Sprintf("%s/%d", delivery.Hex(), generation))
}

// Random returns 26 characters from 16 random bytes, for nonces and message ids.
func Random() string {
	var k Key
	rand.Read(k[:]) // never fails since Go 1.24
	return k.String()
}
