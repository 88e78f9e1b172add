package settings

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"os"
	"strings"
)

// LinkKey signs links, sessions and client state.
type LinkKey struct {
	ID  string // first 8 hex digits of the key's SHA-256
	Key Secret // the bytes, at least 32
}

const minLinkKey = 32 // bytes

// sampleKey reports whether a key is one of local.settings.sample.json, by its SHA-256.
func sampleKey(sum string) bool {
	switch sum {
	case "03ddc419162ab4f4d93f0059f74da091c3ea12646de883235efd52ab8844a7c3",
		"9abfcd79dde8a05a0b3473a9dcac302b174557803472d767342b357c01d68b0e",
		"92f7f91ff1c26e31f1425d438b09c417f43225966f01f638d67210f1d944d9f4":
		return true
	}
	return false
}

func sum(key string) string {
	digest := sha256.Sum256([]byte(key))
	return hex.EncodeToString(digest[:])
}

const sampleRefused = "holds a key of local.settings.sample.json, which everybody knows: make your own"

// ParseLinkKeys reads the keys of LINK_KEYS in their order: comma separated, each
// base64url of at least 32 bytes, no two with the same id. Its error is an *Invalid,
// which quotes nothing. Keys of the sample are taken; Read decides about those.
func ParseLinkKeys(text string) ([]LinkKey, error) {
	r := reader{lookup: func(string) (string, bool) { return text, true }}
	keys := r.linkKeys("LINK_KEYS", true)
	if len(r.faults) > 0 {
		return nil, &Invalid{Faults: r.faults}
	}
	return keys, nil
}

// linkKeys reads the keys in their order.
func (r *reader) linkKeys(name string, local bool) []LinkKey {
	text, ok := r.required(name)
	if !ok {
		return nil
	}
	var keys []LinkKey
	seen := map[string]bool{}
	number := 0
	for item := range strings.SplitSeq(text, ",") {
		number++
		key, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(strings.TrimSpace(item), "="))
		if err != nil || len(key) < minLinkKey {
			r.fault(name, "item %d must be base64url of at least %d bytes", number, minLinkKey)
			continue
		}
		digest := sum(string(key))
		id := digest[:8]
		switch {
		case seen[id]:
			r.fault(name, "item %d has the same key id as an earlier one", number)
		case !local && sampleKey(digest):
			r.fault(name, sampleRefused)
		}
		seen[id] = true
		keys = append(keys, LinkKey{ID: id, Key: Secret{string(key)}})
	}
	return keys
}

// certificate reads PEM, base64 of PKCS#12, or the path of a file with either.
func (r *reader) certificate(name string) Secret {
	text, given := r.get(name)
	if !given {
		return Secret{}
	}
	content := []byte(text)
	switch der, err := base64.StdEncoding.DecodeString(text); {
	case isPEM(content):
		content = []byte(strings.ReplaceAll(text, `\n`, "\n")) // as some tools put it into an environment
	case err == nil && isPKCS12(der):
		content = der
	default:
		if content, err = os.ReadFile(text); err != nil {
			r.fault(name, "must be PEM, base64 of PKCS#12, or the path of a file that can be read")
			return Secret{}
		}
	}
	if !isPKCS12(content) && !hasKeyAndCertificate(content) {
		r.fault(name, "must hold a certificate and its private key")
	}
	return Secret{string(content)}
}

func isPEM(content []byte) bool { return bytes.Contains(content, []byte("-----BEGIN ")) }

// isPKCS12 knows the beginning of a DER sequence of more than 255 bytes.
func isPKCS12(content []byte) bool {
	return len(content) > 256 && content[0] == 0x30 && content[1] == 0x82
}

func hasKeyAndCertificate(content []byte) bool {
	certificate, key := false, false
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "CERTIFICATE":
			_, err := x509.ParseCertificate(block.Bytes)
			certificate = certificate || err == nil
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			key = true
		}
	}
	return certificate && key
}
