package portal

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// assets are served under a name with their hash, so that they may be kept for ever.
type assets struct {
	current map[string]string // by name without extension: style -> style-<hash>
	files   map[string]asset  // by the name they are served under
}

type asset struct {
	contentType string
	content     []byte
}

func readAssets() (assets, error) {
	a := assets{current: map[string]string{}, files: map[string]asset{}}
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		return a, err
	}
	for _, e := range entries {
		content, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			return a, err
		}
		sum := sha256.Sum256(content)
		kind := path.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), kind)
		served := name + "-" + base64.RawURLEncoding.EncodeToString(sum[:9])
		a.current[name], a.files[served] = served, asset{contentTypes[kind], content}
	}
	return a, nil
}

// contentTypes are those of the files in assets.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// asset answers with a file of assets, to be kept for a year: another content has
// another name.
func (p *Portal) asset(served string) Answer {
	f, ok := p.assets.files[served]
	if !ok {
		h := p.headers("text/plain; charset=utf-8")
		return Answer{Status: http.StatusNotFound, Header: h, Body: []byte("There is nothing here.\n")}
	}
	h := p.headers(f.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	return Answer{Status: http.StatusOK, Header: h, Body: f.content}
}
