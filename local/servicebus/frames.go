package servicebus

import (
	"bufio"
	"encoding/binary"
	"io"
)

// Frames of AMQP 1.0 (part 2), and of its SASL layer (part 5).

const (
	frameAMQP = 0
	frameSASL = 1

	// maxFrame is what we accept and offer, in bytes, as the service does.
	maxFrame = 65536

	opOpen        = 0x10
	opBegin       = 0x11
	opAttach      = 0x12
	opFlow        = 0x13
	opTransfer    = 0x14
	opDisposition = 0x15
	opDetach      = 0x16
	opEnd         = 0x17
	opClose       = 0x18

	opMechanisms = 0x40
	opInit       = 0x41
	opOutcome    = 0x44

	typeError  = 0x1d
	typeSource = 0x28
	typeTarget = 0x29

	stateAccepted = 0x24
	stateRejected = 0x25
	stateReleased = 0x26
	stateModified = 0x27
)

// frame is one that was read. A keep-alive has no code.
type frame struct {
	kind    byte
	channel uint16
	code    uint64
	fields  fields
	payload []byte // what follows the performative; aliases the read buffer
}

// readFrame reads the next frame into buf, which it grows up to maxFrame.
func readFrame(r *bufio.Reader, buf *[]byte) (frame, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	size := binary.BigEndian.Uint32(head[:4])
	offset := int(head[4]) * 4
	if size < 8 || size > maxFrame || offset < 8 || offset > int(size) {
		return frame{}, malformed("frame of %d bytes, body at %d", size, offset)
	}
	n := int(size) - 8
	if cap(*buf) < n {
		*buf = make([]byte, n, max(n, 4096))
	}
	body := (*buf)[:n]
	if _, err := io.ReadFull(r, body); err != nil {
		return frame{}, err
	}
	f := frame{kind: head[5], channel: binary.BigEndian.Uint16(head[6:])}
	return f, f.parse(body[offset-8:])
}

func (f *frame) parse(body []byte) error {
	if len(body) == 0 {
		return nil
	}
	d := decoder{b: body}
	v, err := d.value()
	if err != nil {
		return err
	}
	p, ok := v.(described)
	if !ok || p.name != "" {
		return malformed("a frame without performative")
	}
	list, ok := p.value.([]any)
	if !ok {
		return malformed("performative %#x is not a list", p.code)
	}
	f.code, f.fields, f.payload = p.code, list, d.b
	return nil
}

// fields are those of a performative; reading one that is absent, null or of
// another type gives the zero value and false.
type fields []any

func (f fields) at(i int) any {
	if i < len(f) {
		return f[i]
	}
	return nil
}

func field[T any](f fields, i int) (T, bool) {
	v, ok := f.at(i).(T)
	return v, ok
}

func fieldOr[T any](f fields, i int, def T) T {
	if v, ok := f.at(i).(T); ok {
		return v
	}
	return def
}

// list reads a field that is a composite of that code, like a source.
func (f fields) list(i int, code uint64) (fields, bool) {
	v, ok := f.at(i).(described)
	if !ok || v.code != code {
		return nil, false
	}
	list, ok := v.value.([]any)
	return list, ok
}

// appendFrame writes a frame with a performative and what follows it. Trailing
// nils are left out.
func appendFrame(b []byte, kind byte, channel uint16, code uint64, list []any, payload []byte) []byte {
	for len(list) > 0 && list[len(list)-1] == nil {
		list = list[:len(list)-1]
	}
	start := len(b)
	b = append(b, 0, 0, 0, 0, 2, kind, 0, 0)
	binary.BigEndian.PutUint16(b[start+6:], channel)
	b = appendValue(b, described{code: code, value: list})
	b = append(b, payload...)
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

// appendKeepAlive writes a frame without body.
func appendKeepAlive(b []byte) []byte {
	return append(b, 0, 0, 0, 8, 2, frameAMQP, 0, 0)
}

// composite is a described list.
func composite(code uint64, list ...any) described {
	return described{code: code, value: list}
}

// wireError is an error as frames carry it; nil for none.
func wireError(e *Error) any {
	if e == nil {
		return nil
	}
	return composite(typeError, symbol(e.Condition), e.Description)
}
