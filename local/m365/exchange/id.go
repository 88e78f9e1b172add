package exchange

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Sizes of decoded ids (3.6; the immutable one is guessed).
const (
	mutableSize   = 113
	immutableSize = 51
	entrySize     = 70
)

// providerUID identifies Exchange's private store in MAPI entry ids.
const providerUID = "\x1d\x84\x03\x11\xaa\x66\x11\xcd\x9b\xc8\x00\xaa\x00\x2f\xc4\x5a"

// idEncoding is base64 with - for / and _ for +, the reverse of RFC 4648's
// base64url, with padding (section 1).
var idEncoding = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")

// mutableID names item number of a mailbox while it lies in folder.
func mutableID(mailbox, store uuid.UUID, folder, number uint32) string {
	b := make([]byte, 0, mutableSize)
	b = append(b, 0, 3, 0x24, 0)
	b = append(b, mailbox.String()...)
	b = append(b, 0, 0x46, 0)
	b = appendEntry(b, store, folder, number)
	return idEncoding.EncodeToString(b)
}

// appendEntry appends the 70-byte entry id of an item.
func appendEntry(b []byte, store uuid.UUID, folder, number uint32) []byte {
	entry := make([]byte, entrySize)
	copy(entry[4:], store[8:])
	copy(entry[12:], store[:8])
	entry[20] = 7
	copy(entry[22:], store[:])
	binary.BigEndian.PutUint32(entry[40:], folder)
	copy(entry[44:], store[:])
	binary.BigEndian.PutUint32(entry[62:], number)
	return append(b, entry...)
}

func immutableID(mailbox uuid.UUID, number uint32) string {
	b := make([]byte, 0, immutableSize)
	b = append(b, 0, 9, 0, 0x2e, 0, 0, 0, 0, 0)
	b = append(b, providerUID...)
	b = append(b, 0x0d, 0)
	b = append(b, mailbox[:]...)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, number)
	b = append(b, 0, 0)
	return idEncoding.EncodeToString(b)
}

// calendarID is a mutable id of a folder, shorter than an item's.
func calendarID(mailbox, store uuid.UUID, folder uint32) string {
	b := append([]byte{0, 3, 0x24, 0}, mailbox.String()...)
	b = append(b, 0, 0x2e, 0)
	b = append(b, make([]byte, 4)...)
	b = append(b, store[:]...)
	b = append(b, store[:]...)
	b = binary.BigEndian.AppendUint32(b, folder)
	b = append(b, make([]byte, 6)...)
	return idEncoding.EncodeToString(b)
}

// checkID tells an id that could be an item's from one that is malformed, which
// Graph answers differently. Ids of occurrences are longer (3.6).
func checkID(id string) *Error {
	b, err := idEncoding.DecodeString(id)
	if err != nil {
		return errMalformedID()
	}
	switch {
	case len(b) == mutableSize && string(b[:4]) == "\x00\x03\x24\x00" && string(b[40:43]) == "\x00\x46\x00":
		return nil
	case len(b) == mutableOccurrenceSize && string(b[:4]) == "\x00\x03\x24\x00" && string(b[40:43]) == "\x01\x51\x00":
		return nil
	case (len(b) == immutableSize || len(b) == immutableOccurrenceSize) && string(b[:4]) == "\x00\x09\x00\x2e" && string(b[9:25]) == providerUID:
		return nil
	}
	return errMalformedID()
}

// changeKey is base64 of the store's GUID and a counter (2.6).
func changeKey(store uuid.UUID, counter uint32) string {
	var b [22]byte
	copy(b[:], store[:])
	binary.BigEndian.PutUint32(b[18:], counter)
	return base64.StdEncoding.EncodeToString(b[:])
}

// LongChangeKey is the 30-byte form that delta and notifications carry (2.6).
func LongChangeKey(key string) string {
	b, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return key
	}
	return base64.StdEncoding.EncodeToString(append([]byte{0x0f, 0, 0, 0, 0x16, 0, 0, 0}, b...))
}

// matches evaluates an If-Match header against the current change key. A list
// matches when one of its tags does. What is no entity tag is refused with 400.
func matches(ifMatch, current string) *Error {
	want, _ := base64.StdEncoding.DecodeString(current)
	for tag := range strings.SplitSeq(ifMatch, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" {
			return nil
		}
		opaque, ok := strings.CutPrefix(strings.TrimPrefix(tag, "W/"), `"`)
		if ok {
			opaque, ok = strings.CutSuffix(opaque, `"`)
		}
		if !ok {
			return invalid("BadRequest", "The If-Match header is not an entity tag.")
		}
		got, err := base64.StdEncoding.DecodeString(opaque)
		if err != nil {
			continue
		}
		if len(got) == 30 {
			got = got[8:]
		}
		if string(got) == string(want) {
			return nil
		}
	}
	return errConflict()
}

// iCalUID is a GlobalObjectId in hexadecimal (3.6), for a master or single event.
func iCalUID(created time.Time, unique uuid.UUID) string {
	b := make([]byte, 0, 56)
	b = append(b, "\x04\x00\x00\x00\x82\x00\xe0\x00\x74\xc5\xb7\x10\x1a\x82\xe0\x08"...)
	b = append(b, 0, 0, 0, 0) // instance date
	b = binary.LittleEndian.AppendUint64(b, filetime(created))
	b = append(b, make([]byte, 8)...)
	b = append(b, 0x10, 0, 0, 0)
	b = append(b, unique[:]...)
	return strings.ToUpper(hex.EncodeToString(b))
}

// filetime counts 100 ns since 1601.
func filetime(t time.Time) uint64 {
	return uint64(t.Unix()+11644473600)*1e7 + uint64(t.Nanosecond()/100)
}

// ObjectID is the object id that a user has in a tenant where none is given.
func ObjectID(tenant, principal string) string {
	return derived("user", strings.ToLower(tenant), strings.ToLower(principal)).String()
}

// derived is a UUID that is the same for the same parts.
func derived(parts ...string) uuid.UUID {
	h := sha1.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	var u uuid.UUID
	copy(u[:], h.Sum(nil))
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	return u
}
