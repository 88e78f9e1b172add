package servicebus

import (
	"bufio"
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/google/go-cmp/cmp"

	"github.com/calbridge/calbridge/shared/queue"
)

var compareInternals = cmp.AllowUnexported(described{}, pair{})

func TestValuesReadBackAsTheyWereWritten(t *testing.T) {
	for _, v := range []any{
		nil, true, false, uint8(200), uint16(60000), uint32(0), uint32(255), uint32(1 << 31), uint64(7), uint64(1 << 60),
		int8(-1), int16(-2), int32(-3), int64(-4), float32(0.5), 0.25, time.UnixMilli(1_700_000_000_123).UTC(),
		[16]byte{1, 2, 3}, []byte{}, make([]byte, 300), "", "text ö", string(make([]byte, 300)), symbol("symbol"),
		[]any{}, []any{nil, "a", []any{uint32(1)}}, dict{{symbol("k"), "v"}, {"s", int64(1)}},
		described{code: 0x24, value: []any{}}, described{name: "amqp:named", value: "x"},
	} {
		b := appendValue(nil, v)
		d := decoder{b: b}
		got, err := d.value()
		if err != nil || len(d.b) != 0 {
			t.Errorf("%#v: %v, %d bytes left", v, err, len(d.b))
		}
		if diff := cmp.Diff(v, got, compareInternals); diff != "" {
			t.Errorf("%#v differs (-want +got):\n%s", v, diff)
		}
	}
}

// Bytes of OASIS AMQP 1.0 part 1, and encodings that we never write ourselves.
func TestEncodingsOfOthersAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		bytes []byte
		want  any
	}{
		"smallint":        {[]byte{0x54, 0xff}, int32(-1)},
		"smalllong":       {[]byte{0x55, 0xfe}, int64(-2)},
		"boolean":         {[]byte{0x56, 1}, true},
		"list8":           {[]byte{0xc0, 3, 1, 0x50, 9}, []any{uint8(9)}},
		"map8":            {[]byte{0xc1, 6, 2, 0xa3, 1, 'k', 0x52, 5}, dict{{symbol("k"), uint32(5)}}},
		"array of uint":   {[]byte{0xe0, 4, 2, 0x52, 1, 2}, []any{uint32(1), uint32(2)}},
		"array of symbol": {[]byte{0xf0, 0, 0, 0, 7, 0, 0, 0, 1, 0xa3, 1, 'x'}, []any{symbol("x")}},
		"long string":     {[]byte{0xb1, 0, 0, 0, 1, 'x'}, "x"},
	} {
		d := decoder{b: c.bytes}
		got, err := d.value()
		if diff := cmp.Diff(c.want, got, compareInternals); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestLyingLengthsAreRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":               {},
		"binary longer":         {0xb0, 0xff, 0xff, 0xff, 0xff, 1},
		"string longer":         {0xa1, 9, 'x'},
		"list of too many":      {0xd0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff},
		"map of an odd number":  {0xc1, 2, 1, 0x40},
		"array of many nothing": {0xf0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x40},
		"nested too deeply":     bytes.Repeat([]byte{0x00}, 100),
		"lists in lists":        bytes.Repeat([]byte{0xc0, 0x7f, 1}, 60),
		"unknown constructor":   {0x3f},
		"descriptor of a list":  {0, 0x45, 0x45},
	} {
		d := decoder{b: b}
		if v, err := d.value(); !errors.Is(err, errCodec) {
			t.Errorf("%s is read as %v, %v", name, v, err)
		}
	}
}

func FuzzDecodeValue(f *testing.F) {
	f.Add(appendValue(nil, composite(opAttach, "name", uint32(1), true, nil, nil, composite(typeSource, "queue"))))
	f.Add(appendValue(nil, dict{{symbol("k"), []any{int64(1), 0.5, []byte("x")}}}))
	f.Add([]byte{0xf0, 0, 0, 0, 5, 0, 0, 1, 0, 0x40})
	f.Fuzz(func(t *testing.T, b []byte) {
		d := decoder{b: b}
		v, err := d.value()
		if err != nil {
			return
		}
		again := decoder{b: appendValue(nil, v)}
		if got, err := again.value(); err != nil || !cmp.Equal(v, got, compareInternals, cmp.Comparer(sameFloat), cmp.Comparer(sameFloat32)) {
			t.Errorf("%#v is written and read back as %#v, %v", v, got, err)
		}
	})
}

// NaN is not equal to itself.
func sameFloat(a, b float64) bool   { return a == b || a != a && b != b }
func sameFloat32(a, b float32) bool { return a == b || a != a && b != b }

func FuzzReadFrame(f *testing.F) {
	f.Add(appendFrame(nil, frameAMQP, 3, opTransfer, []any{uint32(1), uint32(2), []byte("tag")}, []byte("payload")))
	f.Add(appendKeepAlive(nil))
	f.Add([]byte{0, 1, 0, 0, 2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		var buf []byte
		for {
			fr, err := readFrame(r, &buf)
			if err != nil {
				break
			}
			if fr.code == 0 && len(fr.fields) > 0 {
				t.Errorf("fields without performative: %v", fr.fields)
			}
		}
		if cap(buf) > 2*maxFrame {
			t.Errorf("a buffer of %d bytes for %d", cap(buf), len(b))
		}
	})
}

func FuzzDecodeMessage(f *testing.F) {
	one, _ := encode(queue.Message{ID: "1", SessionID: "s", Body: []byte("b"), Properties: map[string]any{"p": "v"}}).MarshalBinary()
	batch, _ := (&amqp.Message{Data: [][]byte{one, one}}).MarshalBinary()
	f.Add(one, false)
	f.Add(batch, true)
	f.Fuzz(func(t *testing.T, b []byte, isBatch bool) {
		format := uint32(0)
		if isBatch {
			format = batchFormat
		}
		list, err := decode(b, format)
		if err != nil {
			return
		}
		for _, in := range list {
			m := message{incoming: *in, enqueued: time.Unix(0, 0).UTC()}
			if _, err := m.outgoing().MarshalBinary(); err != nil {
				t.Errorf("read but not written: %v", err)
			}
		}
	})
}
