package reports

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"
)

// exportMost bounds a download; one that would be longer is refused whole.
const exportMost = 10_000

// sheet is a table to be downloaded; its cells are texts and whole numbers.
type sheet struct {
	name string
	head []string
	rows [][]any
}

func writeCSV(s sheet) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("\ufeff") // tells Excel that this is UTF-8
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	lines := [][]string{s.head}
	for _, cells := range s.rows {
		line := make([]string, len(cells))
		for i, cell := range cells {
			line[i] = fmt.Sprint(cell)
			if text, ok := cell.(string); ok {
				line[i] = harmless(text)
			}
		}
		lines = append(lines, line)
	}
	err := w.WriteAll(lines)
	return out.Bytes(), err
}

// harmless keeps a spreadsheet from reading a shop's name as a formula.
func harmless(text string) string {
	if text != "" && strings.ContainsAny(text[:1], "=+-@\t\r") {
		return "'" + text
	}
	return text
}
