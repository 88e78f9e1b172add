package event

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"strconv"
	"strings"
)

// fingerprintVersion begins every fingerprint; another one means All.
const fingerprintVersion = "1"

// parts lists the fields in the order of a fingerprint.
func parts() []Fields {
	return []Fields{Subject, Body, When, Place, ShowAs, Sensitivity, Categories, Reminder}
}

// sumSize is how much of each field's hash is kept: 8 bytes, so that of a billion
// changes of a field about one in 10^10 goes unnoticed.
const sumSize = 8

// Fingerprint tells events apart without holding their text: a version and one
// hash per field, 90 characters. Equal fingerprints mean equal events.
func (e Event) Fingerprint() string {
	list := []string{fingerprintVersion}
	for _, f := range parts() {
		list = append(list, e.sum(f))
	}
	return strings.Join(list, ".")
}

// Changed tells which fields of e differ from the event a stored fingerprint was
// made of. An empty one, or one of another version, tells nothing: All.
func Changed(stored string, e Event) Fields {
	list := strings.Split(stored, ".")
	if len(list) != len(parts())+1 || list[0] != fingerprintVersion {
		return All
	}
	var changed Fields
	for i, f := range parts() {
		if list[i+1] != e.sum(f) {
			changed |= f
		}
	}
	return changed
}

// sum is the hash of one field.
func (e Event) sum(f Fields) string {
	h := sha256.New()
	for _, text := range e.texts(f) {
		feed(h, text)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:sumSize])
}

// texts are the values that make up a field.
func (e Event) texts(f Fields) []string {
	switch f {
	case Subject:
		return []string{e.Subject}
	case Body:
		return []string{e.Body}
	case When:
		return []string{e.Start.DateTime, e.Start.Zone, e.End.DateTime, e.End.Zone, strconv.FormatBool(e.AllDay)}
	case Place:
		return []string{e.Location.Name, e.Location.Address}
	case ShowAs:
		return []string{e.ShowAs}
	case Sensitivity:
		return []string{e.Sensitivity}
	case Categories:
		return e.Categories
	case Reminder:
		return []string{strconv.Itoa(e.ReminderMinutes)}
	}
	return nil
}

// feed keeps values apart by their length, so that moving a character from one
// to the next changes the sum.
func feed(h hash.Hash, text string) {
	var size [4]byte
	binary.BigEndian.PutUint32(size[:], uint32(len(text)))
	h.Write(size[:])
	h.Write([]byte(text))
}
