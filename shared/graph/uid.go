package graph

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// globalObjectID begins every GlobalObjectId ([MS-OXOCAL] 2.2.1.27).
const globalObjectID = "040000008200E00074C5B7101A82E008"

// outlookLength is the shortest UID that Exchange reads as a GlobalObjectId:
// its header and one byte ([MS-OXCICAL] 2.1.3.1.1.20.26).
const outlookLength = 82

// WrappedUID is the iCalUId that Exchange may give an event that came from a
// calendar file with the given UID: a GlobalObjectId whose data is "vCal-Uid", a
// version of 1, the UID's text and a zero byte, in upper-case hexadecimal
// ([MS-OXCICAL] 2.1.3.1.1.20.26; the layout is that of the example in [MS-ASEMAIL]
// 4.3). A UID that is a GlobalObjectId itself stays as it is.
//
// Guessed: that Graph's iCalUId shows this form for some ways of importing and
// the plain UID for others, and that the date of creation is zero, as in the
// published examples.
func WrappedUID(uid string) string {
	if outlookUID(uid) {
		return uid
	}
	data := append([]byte("vCal-Uid\x01\x00\x00\x00"), uid...)
	data = append(data, 0)
	head := make([]byte, 4+8+8, 24) // no instance, no creation time, reserved
	head = binary.LittleEndian.AppendUint32(head, uint32(len(data)))
	return globalObjectID + strings.ToUpper(hex.EncodeToString(head)+hex.EncodeToString(data))
}

// SameUID reports whether an event's iCalUId is uid, plain or wrapped. Case does
// not count: hexadecimal comes in both, and our UIDs differ in more than case.
func SameUID(iCalUID, uid string) bool {
	return uid != "" && (strings.EqualFold(iCalUID, uid) || strings.EqualFold(iCalUID, WrappedUID(uid)))
}

// FitUID reports whether uid can be searched for: 1 to 255 bytes of printable ASCII.
func FitUID(uid string) bool {
	return uid != "" && len(uid) <= 255 && strings.IndexFunc(uid, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// outlookUID reports whether Exchange takes uid for a GlobalObjectId.
func outlookUID(uid string) bool {
	if len(uid) < outlookLength || !strings.EqualFold(uid[:len(globalObjectID)], globalObjectID) {
		return false
	}
	_, err := hex.DecodeString(uid)
	return err == nil
}
