package browser

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/chromedp/chromedp"
)

// Picture keeps a picture of the page below a directory, if it is not empty.
func (p *Person) Picture(dir, name string) {
	p.t.Helper()
	if dir == "" {
		return
	}
	var picture []byte
	p.do("take a picture", chromedp.FullScreenshot(&picture, 100))
	p.keep(dir, name, picture)
}

// PictureOf keeps a picture of one element, by a CSS selector.
func (p *Person) PictureOf(dir, name, selector string) {
	p.t.Helper()
	if dir == "" {
		return
	}
	var picture []byte
	p.do("take a picture of "+selector, chromedp.Screenshot(selector, &picture, chromedp.ByQuery))
	p.keep(dir, name, picture)
}

func (p *Person) keep(dir, name string, picture []byte) {
	p.t.Helper()
	small, err := reduce(picture)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), small, 0o644)
	}
	if err != nil {
		p.t.Fatalf("keep a picture: %v", err)
	}
}

// colours is how many a picture has. Pages have few, and the edges of letters many.
const colours = 32

// reduce makes a PNG small: of the colours only the most frequent are kept, and every
// other one becomes the nearest of them.
func reduce(picture []byte) ([]byte, error) {
	from, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	b := from.Bounds()
	often := map[color.RGBA]int{}
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(from.At(x, y)).(color.RGBA) }
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			often[at(x, y)]++
		}
	}
	all := slices.SortedFunc(maps.Keys(often), func(a, b color.RGBA) int {
		return cmp.Or(often[b]-often[a], cmp.Compare(packed(a), packed(b)))
	})
	var palette color.Palette
	for _, c := range all[:min(colours, len(all))] {
		palette = append(palette, c)
	}
	to, nearest := image.NewPaletted(b, palette), map[color.RGBA]uint8{}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := at(x, y)
			index, known := nearest[c]
			if !known {
				index = uint8(palette.Index(c))
				nearest[c] = index
			}
			to.SetColorIndex(x, y, index)
		}
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	err = encoder.Encode(&out, to)
	return out.Bytes(), err
}

func packed(c color.RGBA) uint32 {
	return uint32(c.R)<<24 | uint32(c.G)<<16 | uint32(c.B)<<8 | uint32(c.A)
}
