// Package templates embeds the pages. It lives here because go:embed cannot
// look upwards.
package templates

import "embed"

// Files holds layouts, partials and pages by their paths in this folder.
//
//go:embed layouts partials pages
var Files embed.FS
