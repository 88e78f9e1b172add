package state

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestPackedValuesFitTheTable(t *testing.T) {
	noise := make([]byte, 192<<10) // the largest booking, and nothing to compress
	rand.NewChaCha8([32]byte{1}).Read(noise)
	for name, data := range map[string][]byte{
		"nothing": {}, "a byte": {7}, "text": []byte(strings.Repeat("booking ", 20_000)), "noise": noise,
		"chunk": noise[:chunkSize], "chunk and a byte": noise[:chunkSize+1],
	} {
		props, err := Pack(data)
		if err != nil {
			t.Fatal(err)
		}
		if err := Check("bookings", []Change{{Entity: Entity{Partition: "p", Props: props}}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := Unpack(props); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d bytes became %d, %v", name, len(data), len(got), err)
		}
	}
	props, _ := Pack([]byte(strings.Repeat("booking ", 20_000)))
	if len(props["body0"].([]byte)) > 2000 || props["body1"] != nil {
		t.Error("text was not compressed")
	}
	if _, err := Pack(make([]byte, MaxPacked+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

func TestPackAndUnpackShareNoMemory(t *testing.T) {
	data := []byte{1, 2, 3}
	props, _ := Pack(data)
	data[0] = 9
	got, _ := Unpack(props)
	got[1] = 9
	if again, _ := Unpack(props); !bytes.Equal(again, []byte{1, 2, 3}) {
		t.Errorf("stored %v", again)
	}
}

// A Merge with fewer chunks leaves the old ones in the row.
func TestUnpackIgnoresChunksOfAnEarlierValue(t *testing.T) {
	noise := make([]byte, 3*chunkSize)
	rand.NewChaCha8([32]byte{2}).Read(noise)
	row, _ := Pack(noise)
	newer, _ := Pack([]byte(strings.Repeat("short ", 100)))
	maps.Copy(row, newer)
	if got, err := Unpack(row); err != nil || string(got) != strings.Repeat("short ", 100) {
		t.Errorf("%.20q, %v", got, err)
	}
}

func TestUnpackRefusesDamage(t *testing.T) {
	good, _ := Pack([]byte(strings.Repeat("booking ", 100)))
	for name, damage := range map[string]map[string]any{
		"no chunk":       {"body0": nil},
		"short chunk":    {"body0": good["body0"].([]byte)[:5]},
		"text chunk":     {"body0": "text"},
		"size":           {"bodySize": int32(-1)},
		"huge size":      {"bodySize": int32(MaxPacked + 1)},
		"no size":        {"bodySize": nil},
		"encoding":       {"enc": "zstd"},
		"no encoding":    {"enc": nil},
		"flipped bits":   {"body0": append([]byte{0xff}, good["body0"].([]byte)[1:]...)},
		"trailing bytes": {"body0": append(bytes.Clone(good["body0"].([]byte)), 1), "bodySize": good["bodySize"].(int32) + 1},
	} {
		props := maps.Clone(good)
		maps.Copy(props, damage)
		if got, err := Unpack(props); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %.20q, %v", name, got, err)
		}
	}
	if _, err := Unpack(nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("nothing: %v", err)
	}
}

func FuzzPack(f *testing.F) {
	f.Add([]byte(nil), uint16(1))
	f.Add([]byte("booking"), uint16(30_000))
	f.Fuzz(func(t *testing.T, data []byte, times uint16) {
		if len(data)*int(times) > 1<<20 {
			return
		}
		data = bytes.Repeat(data, int(times))
		props, err := Pack(data)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range props {
			if chunk, ok := value.([]byte); ok && len(chunk) > chunkSize {
				t.Fatalf("%s has %d bytes", name, len(chunk))
			}
		}
		if got, err := Unpack(props); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes became %d, %v", len(data), len(got), err)
		}
	})
}

func BenchmarkPack(b *testing.B) {
	data := []byte(strings.Repeat(`{"user":"u-17","email":"someone@acme.example","role":"required"},`, 40))
	for b.Loop() {
		props, _ := Pack(data)
		if _, err := Unpack(props); err != nil {
			b.Fatal(err)
		}
	}
}
