package emvco

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxFieldLength is the longest value that two digits of length can tell, in characters.
const maxFieldLength = 99

// checksumHead is the tag and length of the last field; the checksum runs up
// to and with it.
const checksumHead = "6304"

// field writes one field. Its callers have checked the value.
func field(tag int, value string) string {
	return fmt.Sprintf("%02d%02d%s", tag, utf8.RuneCountInString(value), value)
}

func tagText(tag int) string { return fmt.Sprintf("%02d", tag) }

// parse splits text into fields. Inside a template, parent is its tag.
func parse(text, parent string) (map[int]string, error) {
	fields := map[int]string{}
	for len(text) > 0 {
		if len(text) < 4 || !digits(text[:4]) {
			return nil, &Error{Reason: ReasonStructure, Tag: parent}
		}
		tag := int(text[0]-'0')*10 + int(text[1]-'0')
		length := int(text[2]-'0')*10 + int(text[3]-'0')
		name := tagText(tag)
		if parent != "" {
			name = parent + "." + name
		}
		end := 4
		for range length {
			if end >= len(text) {
				return nil, &Error{Reason: ReasonLength, Tag: name}
			}
			_, size := utf8.DecodeRuneInString(text[end:])
			end += size
		}
		if length == 0 {
			return nil, &Error{Reason: ReasonLength, Tag: name}
		}
		if _, twice := fields[tag]; twice {
			return nil, &Error{Reason: ReasonDuplicate, Tag: name}
		}
		fields[tag] = text[4:end]
		text = text[end:]
	}
	return fields, nil
}

// checkWhole looks at the payload as a whole, before its fields: size,
// encoding, first and last field, checksum.
func checkWhole(payload string) error {
	if len(payload) > MaxBytes {
		return &Error{Reason: ReasonLength}
	}
	if !utf8.ValidString(payload) {
		return &Error{Reason: ReasonEncoding}
	}
	if !strings.HasPrefix(payload, field(tagFormat, formatVersion)) {
		return &Error{Reason: ReasonStructure, Tag: "00"}
	}
	const tail = len(checksumHead) + 4
	if len(payload) < tail || payload[len(payload)-tail:len(payload)-4] != checksumHead {
		return &Error{Reason: ReasonMissing, Tag: "63"}
	}
	body, sum := payload[:len(payload)-4], payload[len(payload)-4:]
	if sum != fmt.Sprintf("%04X", checksum(body)) {
		return &Error{Reason: ReasonChecksum, Tag: "63"}
	}
	return nil
}

// checksum is CRC-16/CCITT-FALSE (ISO/IEC 13239 with polynomial 1021 and
// initial value FFFF).
func checksum(s string) uint16 {
	crc := uint16(0xFFFF)
	for i := range len(s) {
		crc ^= uint16(s[i]) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
	}
	return crc
}
