package web

import (
	"path"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// schemaNames names the types of the OpenAPI document after their modules:
// several have a ListReply.
type schemaNames struct{ module string }

// of notes from which module the next handler is.
func (n *schemaNames) of(reply reflect.Type) { n.module = moduleOf(reply.PkgPath()) }

func (n *schemaNames) name(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	named := t
	for named.Kind() == reflect.Pointer || named.Kind() == reflect.Slice {
		named = named.Elem()
	}
	module := n.module // a body without a name is its handler's
	if named.PkgPath() != "" {
		module = moduleOf(named.PkgPath())
	}
	return module + name
}

// moduleOf is "Merchants" for a type of modules/merchants, and empty for a kit's.
func moduleOf(pkg string) string {
	if !strings.Contains(pkg, "/modules/") {
		return ""
	}
	base := path.Base(pkg)
	return strings.ToUpper(base[:1]) + base[1:]
}
