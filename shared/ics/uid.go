package ics

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strings"

	"github.com/calbridge/calbridge/shared/key"
)

// outlook begins every GlobalObjectId (MS-OXOCAL 2.2.1.27, graph/contract.md 3.6);
// the date of an occurrence, the time of creation and a reserved part follow,
// which are zero in ours.
const outlook = "040000008200E00074C5B7101A82E008"

// UID names a delivery's event in every calendar, as long as no event of Graph's
// is there. It is a GlobalObjectId whose data is the delivery key: Outlook keeps
// such a UID, and wraps any other (MS-OXCICAL 2.1.3.1.1.20.26).
func UID(delivery key.Key) string { return globalObjectID(delivery[:]) }

func globalObjectID(data []byte) string {
	var size [4]byte
	binary.LittleEndian.PutUint32(size[:], uint32(len(data)))
	const dateTimeAndReserved = 4 + 8 + 8
	return outlook + strings.Repeat("00", dateTimeAndReserved) + strings.ToUpper(hex.EncodeToString(size[:])+hex.EncodeToString(data))
}

// Sequence is the SEQUENCE of a revision. An integer of RFC 5545 (3.3.8) has 31
// bits, a revision 53: beyond 2^31-1 the upper 31 bits count. Counters and
// seconds since 1970 are therefore exact; of milliseconds and microseconds since
// 1970 what is left grows once a second, until 2039 and 2041. Revisions closer
// than that are told apart by DTSTAMP. The sequence falls only where a booking's
// revisions pass a power of two from 2^31 on.
func Sequence(revision int64) int64 {
	for revision > math.MaxInt32 {
		revision >>= 1
	}
	return max(revision, 0)
}

// Delivery is the delivery that a UID of ours names; ok is false for every other. Case
// does not count, as Exchange writes hexadecimal in both.
func Delivery(uid string) (delivery key.Key, ok bool) {
	if len(uid) < 2*len(delivery) {
		return key.Key{}, false
	}
	data, err := hex.DecodeString(uid[len(uid)-2*len(delivery):])
	if err != nil {
		return key.Key{}, false
	}
	copy(delivery[:], data)
	return delivery, strings.EqualFold(UID(delivery), uid)
}
