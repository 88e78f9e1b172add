package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// gcmSIV is AES-GCM-SIV (RFC 8452). It is slow beside AES-GCM, about 0.1 ms for a
// token cache, and takes the same time whatever the key and the text.
type gcmSIV struct {
	generator cipher.Block // of the key-generating key
	keySize   int          // 16 or 32 bytes
}

const (
	sivNonce = 12
	sivTag   = 16
)

func newGCMSIV(k []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(k)
	return gcmSIV{block, len(k)}, err
}

func (gcmSIV) NonceSize() int { return sivNonce }

func (gcmSIV) Overhead() int { return sivTag }

// Seal appends ciphertext and tag to dst. It must not overlap with plain.
func (g gcmSIV) Seal(dst, nonce, plain, associated []byte) []byte {
	hashKey, block := g.derive(nonce)
	tag := sivTagOf(hashKey, block, nonce, plain, associated)
	start := len(dst)
	dst = append(dst, plain...)
	sivStream(block, tag, dst[start:])
	return append(dst, tag[:]...)
}

// Open appends the plain text to dst, or fails.
func (g gcmSIV) Open(dst, nonce, sealed, associated []byte) ([]byte, error) {
	if len(nonce) != sivNonce || len(sealed) < sivTag {
		return nil, errors.New("too short")
	}
	hashKey, block := g.derive(nonce)
	text, given := sealed[:len(sealed)-sivTag], sealed[len(sealed)-sivTag:]
	start := len(dst)
	dst = append(dst, text...)
	sivStream(block, [sivTag]byte(given), dst[start:])
	tag := sivTagOf(hashKey, block, nonce, dst[start:], associated)
	if subtle.ConstantTimeCompare(tag[:], given) != 1 {
		clear(dst[start:])
		return nil, errors.New("the tag is wrong")
	}
	return dst, nil
}

// derive makes the keys of one nonce (section 4): that of POLYVAL and that of AES.
func (g gcmSIV) derive(nonce []byte) (hashKey element, block cipher.Block) {
	var in, out [16]byte
	copy(in[4:], nonce)
	half := func(counter int) []byte {
		binary.LittleEndian.PutUint32(in[:4], uint32(counter))
		g.generator.Encrypt(out[:], in[:])
		return out[:8]
	}
	var hash [16]byte
	copy(hash[:8], half(0))
	copy(hash[8:], half(1))
	encryption := make([]byte, g.keySize)
	for i := range g.keySize / 8 {
		copy(encryption[8*i:], half(2+i))
	}
	block, err := aes.NewCipher(encryption)
	if err != nil {
		panic(err) // the size is that of a key that was accepted
	}
	return elementOf(hash[:]), block
}

// sivTagOf is the tag of a text (section 4).
func sivTagOf(hashKey element, block cipher.Block, nonce, plain, associated []byte) (tag [sivTag]byte) {
	var sum element
	sum = sum.absorb(hashKey, associated)
	sum = sum.absorb(hashKey, plain)
	sum = sum.add(element{uint64(len(associated)) * 8, uint64(len(plain)) * 8}).dot(hashKey)
	binary.LittleEndian.PutUint64(tag[:8], sum.lo)
	binary.LittleEndian.PutUint64(tag[8:], sum.hi)
	subtle.XORBytes(tag[:sivNonce], tag[:sivNonce], nonce)
	tag[15] &= 0x7f
	block.Encrypt(tag[:], tag[:])
	return tag
}

// sivStream encrypts or decrypts text in place (section 4: AES in counter mode, the
// counter being the first 32 bits).
func sivStream(block cipher.Block, tag [sivTag]byte, text []byte) {
	counter := tag
	counter[15] |= 0x80
	n := binary.LittleEndian.Uint32(counter[:4])
	var stream [16]byte
	for len(text) > 0 {
		binary.LittleEndian.PutUint32(counter[:4], n)
		block.Encrypt(stream[:], counter[:])
		text = text[subtle.XORBytes(text, text, stream[:min(16, len(text))]):]
		n++
	}
}

// element is one of POLYVAL's field (section 3), its bits in little-endian order.
type element struct{ lo, hi uint64 }

func elementOf(b []byte) element {
	return element{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])}
}

func (a element) add(b element) element { return element{a.lo ^ b.lo, a.hi ^ b.hi} }

// absorb is POLYVAL over text, filled up with zeros to whole blocks.
func (a element) absorb(key element, text []byte) element {
	for len(text) > 0 {
		var block [16]byte
		text = text[copy(block[:], text):]
		a = a.add(elementOf(block[:])).dot(key)
	}
	return a
}

// dot is a times b times x to the -128, modulo x^128 + x^127 + x^126 + x^121 + 1:
// for each bit of a from the lowest, add b and divide by x.
func (a element) dot(b element) (r element) {
	for _, word := range [2]uint64{a.lo, a.hi} {
		for range 64 {
			mask := -(word & 1)
			r.lo ^= b.lo & mask
			r.hi ^= b.hi & mask
			reduce := -(r.lo & 1) & (0xe1 << 56)
			r.lo = r.lo>>1 | r.hi<<63
			r.hi = r.hi>>1 ^ reduce
			word >>= 1
		}
	}
	return r
}
