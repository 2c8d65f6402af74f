package emvco

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// payloads are drawn and read back by two decoders that share nothing with
// the drawing.
func payloads(t *testing.T) []string {
	t.Helper()
	codes := []Code{staticCode(), dynamicCode()}
	for _, name := range []string{"뚝배기", "왕갈비 & 냉면", "CAFE 봄", "꽃집", "하나로마트(신길점)", "맥주ㆍ치킨", "Noodle House", "쌀·잡곡 전문 믿음상회 제2호점", "가", "값싼 옷 핥다 뷁"} {
		code := dynamicCode()
		code.Name = name
		codes = append(codes, code)
	}
	written := make([]string, 0, len(codes))
	for _, code := range codes {
		payload, err := Encode(code)
		if err != nil {
			t.Fatal(err)
		}
		written = append(written, payload)
	}
	return written
}

func TestImagesAreReadByAnotherLibrary(t *testing.T) {
	t.Parallel()
	for _, payload := range payloads(t) {
		for _, size := range []int{400, 512, 1000} {
			drawn, err := Image(payload, size)
			if err != nil {
				t.Fatal(err)
			}
			picture, err := png.Decode(bytes.NewReader(drawn))
			if err != nil {
				t.Fatal(err)
			}
			if picture.Bounds().Dx() != size || picture.Bounds().Dy() != size {
				t.Errorf("asked for %d pixels, got %v", size, picture.Bounds())
			}
			readBack(t, picture, payload)
		}
	}
}

func readBack(t *testing.T, picture image.Image, want string) {
	t.Helper()
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		t.Fatal(err)
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil {
		// In about one picture of a hundred this reader, which sees each only
		// once, takes a pattern in the data for a corner. Told that the picture
		// is nothing but a code, it looks at the true corners.
		pure := map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true}
		result, err = qrcode.NewQRCodeReader().Decode(bitmap, pure)
	}
	if err != nil {
		t.Fatalf("%s is not read: %v", want, err)
	}
	if result.GetText() != want {
		t.Errorf("read %s\nwant %s", result.GetText(), want)
	}
}

// zbarimg is a program of its own, as other people's scanners are. Without it
// the test fails: the package is named zbar-tools.
func TestImagesAreReadByAnotherProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	args := []string{"--quiet", "--raw", "--set", "*.enable=0", "--set", "qrcode.enable=1"}
	var want strings.Builder
	for i, payload := range payloads(t) {
		drawn, err := Image(payload, 512)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, fmt.Sprintf("%02d.png", i))
		if err := os.WriteFile(name, drawn, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
		want.WriteString(payload + "\n")
	}
	read, err := exec.CommandContext(t.Context(), "zbarimg", args...).Output()
	if err != nil {
		t.Fatalf("zbarimg (package zbar-tools) did not read the codes: %v", err)
	}
	if string(read) != want.String() {
		t.Errorf("read\n%swant\n%s", read, want.String())
	}
}

var svgForm = regexp.MustCompile(`^<svg xmlns="http://www\.w3\.org/2000/svg" viewBox="0 0 (\d+) (\d+)" shape-rendering="crispEdges">` +
	`<path fill="#fff" d="M0 0h\d+v\d+H0z"/><path fill="#000" d="((?:M\d+ \d+h\d+v1H\d+z)+)"/></svg>$`)

var svgRun = regexp.MustCompile(`M(\d+) (\d+)h(\d+)`)

// The drawing is painted by the test, from its text alone, and read.
func TestDrawingsAreReadByAnotherLibrary(t *testing.T) {
	t.Parallel()
	for _, payload := range payloads(t) {
		drawn, err := SVG(payload)
		if err != nil {
			t.Fatal(err)
		}
		parts := svgForm.FindStringSubmatch(string(drawn))
		if parts == nil {
			t.Fatalf("not the drawing that was meant: %s", drawn)
		}
		const scale = 6
		side := atoi(t, parts[1])
		picture := image.NewGray(image.Rect(0, 0, side*scale, side*scale))
		for i := range picture.Pix {
			picture.Pix[i] = 255
		}
		for _, run := range svgRun.FindAllStringSubmatch(parts[3], -1) {
			x, y, width := atoi(t, run[1]), atoi(t, run[2]), atoi(t, run[3])
			for py := y * scale; py < (y+1)*scale; py++ {
				for px := x * scale; px < (x+width)*scale; px++ {
					picture.SetGray(px, py, color.Gray{})
				}
			}
		}
		// Four white modules on every side are part of the standard.
		for i := range side {
			for _, p := range []image.Point{{i, 3}, {3, i}, {i, side - 4}, {side - 4, i}} {
				if picture.GrayAt(p.X*scale, p.Y*scale).Y != 255 {
					t.Fatalf("the quiet zone is not quiet at %v", p)
				}
			}
		}
		readBack(t, picture, payload)
	}
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWhatCannotBeDrawnIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		payload string
		size    int
	}{
		"nothing": {"", 512}, "too much": {strings.Repeat("0", MaxBytes+1), 512},
		"too small": {"000201", MinImageSize - 1}, "too large": {"000201", MaxImageSize + 1}, "negative": {"000201", -5},
	} {
		if _, err := Image(c.payload, c.size); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: image answered %v", name, err)
		}
	}
	for _, payload := range []string{"", strings.Repeat("0", MaxBytes+1)} {
		if _, err := SVG(payload); !errors.Is(err, ErrInvalid) {
			t.Errorf("drawing of %d bytes answered %v", len(payload), err)
		}
	}
}
