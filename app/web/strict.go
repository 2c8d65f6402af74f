package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
)

const repeatedProperty = "repeated property "

// strictJSON refuses what encoding/json would let pass: text that is not UTF-8,
// NUL characters, which PostgreSQL cannot hold, and a name that stands twice in
// one object, of which every reader would believe another one.
func strictJSON(data []byte, v any) error {
	if reason := badText(data); reason != "" {
		return errors.New(reason)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return err
	}
	parsed, whole := v.(*any) // huma reads a body so first, to validate it
	if whole && members(*parsed) != colons(data) {
		return errors.New(repeatedProperty + repeated(json.NewDecoder(bytes.NewReader(data)), ""))
	}
	return nil
}

// members counts the members of every object in a value.
func members(v any) (n int) {
	switch inside := v.(type) {
	case map[string]any:
		for _, value := range inside {
			n += 1 + members(value)
		}
	case []any:
		for _, value := range inside {
			n += members(value)
		}
	}
	return n
}

// colons counts those of a sound JSON text that stand outside of its strings:
// as many as it has members. It costs a payment nothing, which a second reading
// of the body would not.
func colons(data []byte) (n int) {
	inString := false
	for i := 0; i < len(data); i++ {
		switch {
		case data[i] == '"':
			inString = !inString
		case inString && data[i] == '\\':
			i++
		case !inString && data[i] == ':':
			n++
		}
	}
	return n
}

// repeated finds the first name that stands twice in one object, with where it
// stands, and returns "" in a text that has none.
func repeated(read *json.Decoder, where string) string {
	token, err := read.Token()
	if err != nil {
		return ""
	}
	switch token {
	case json.Delim('['):
		for i := 0; read.More(); i++ {
			if found := repeated(read, where+"["+strconv.Itoa(i)+"]"); found != "" {
				return found
			}
		}
		_, _ = read.Token()
	case json.Delim('{'):
		seen := map[string]bool{}
		for read.More() {
			name, err := read.Token()
			text, ok := name.(string)
			if err != nil || !ok {
				return ""
			}
			path := text
			if where != "" {
				path = where + "." + text
			}
			if seen[text] {
				return path
			}
			seen[text] = true
			if found := repeated(read, path); found != "" {
				return found
			}
		}
		_, _ = read.Token()
	}
	return ""
}
