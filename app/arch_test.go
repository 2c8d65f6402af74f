package app_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows is the architecture: which module may call which. Adding one is a
// decision, and this line is where it is reviewed.
var arrows = map[string][]string{
	"ledger":        {},
	"tenants":       {},
	"citizens":      {},
	"sessions":      {"citizens"},
	"staff":         {"tenants"},
	"banking":       {},
	"merchants":     {"ledger", "tenants", "banking"},
	"vouchers":      {"ledger", "citizens", "tenants", "banking"},
	"payments":      {"ledger", "merchants", "vouchers"},
	"cards":         {"ledger", "citizens", "vouchers", "payments", "merchants"},
	"settlement":    {"ledger", "merchants", "banking"},
	"incidents":     {"sessions", "tenants"},
	"notifications": {"citizens", "merchants"},
	"reports":       {"ledger", "tenants", "citizens", "sessions", "incidents", "staff", "banking", "merchants", "vouchers", "payments", "cards", "settlement"},
}

// rooms are the packages of app that know modules: they put the house together,
// fill it for a demonstration, or drive it from outside.
var rooms = []string{"app/cli", "app/demo", "app/bench"}

// layers says which files may touch what; the name of a file is its layer.
var layers = []struct{ library, files string }{
	{"gorm.io/", `^(app/db/|app/[\w/]+/store\w*\.go|modules/\w+/store\w*\.go)`},
	{"github.com/jackc/pgx", `^(app/(bench|db|pg|live|cli|demo|telemetry|testkit|simulate)/|app/jobs\.go|app/[\w/]*store\w*\.go|migrations/|modules/\w+/store\w*\.go)`},
	{"github.com/labstack/echo", `^(app/[\w]+\.go|app/(web|auth|telemetry|demo)/|modules/\w+/(api|pages)\w*\.go)`},
	{"github.com/danielgtaylor/huma", `^(app/web/|modules/\w+/api\w*\.go)`},
	{"github.com/spf13/viper", `^config/`},
	{"github.com/golang-jwt", `^app/auth/`},
	{"github.com/riverqueue", `^(app/jobs\.go|migrations/)`},
	{"html/template", `^app/web/`},
}

const self = "jangteo/"

func TestArchitecture(t *testing.T) {
	t.Parallel()
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if reason := forbidden(name, imported); reason != "" {
				t.Errorf("%s imports %s: %s", name, imported, reason)
			}
		}
		if strings.HasPrefix(name, "modules/") {
			for _, table := range foreignTables(name, string(source)) {
				t.Errorf("%s names a table of another module: %s", name, table)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func forbidden(name, imported string) string {
	for _, layer := range layers {
		if strings.HasPrefix(imported, layer.library) && !regexp.MustCompile(layer.files).MatchString(name) {
			return "only files matching " + layer.files + " may"
		}
	}
	imported, ours := strings.CutPrefix(imported, self)
	if !ours {
		return ""
	}
	from, to := strings.Split(name, "/"), strings.Split(imported, "/")
	builds := slices.Contains(rooms, path.Dir(name))
	switch {
	case imported == "app" && !builds:
		return "only commands build the app"
	case from[0] == "app" && path.Dir(name) != "app" && !builds && to[0] == "modules":
		return "a kit knows no module"
	case from[0] == "modules" && to[0] == "modules" && from[1] != to[1] && !slices.Contains(arrows[from[1]], to[1]):
		return "no arrow from " + from[1] + " to " + to[1]
	case from[0] == "modules" && (to[0] == "config" || to[0] == "migrations" || to[0] == "templates"):
		return "modules are given what they need by app"
	case to[0] == "app" && len(to) > 1 && to[1] == "simulate" && !builds && !strings.HasPrefix(name, "app/simulate/"):
		return "the outside world is reached by its wire alone"
	}
	return ""
}

// foreignTables finds SQL that reaches into another module's schema.
func foreignTables(name, source string) (found []string) {
	owner := strings.Split(name, "/")[1]
	for other := range arrows {
		table := regexp.MustCompile(`(?i:from|join|into|update|table)\s+` + other + `\.[a-z_]+`)
		if other != owner {
			found = append(found, table.FindAllString(source, -1)...)
		}
	}
	return found
}

// The rules themselves are tested: a rule that cannot fail guards nothing.
func TestArchitectureRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, imports string
		refused       bool
	}{
		{"modules/payments/service.go", self + "modules/ledger", false},
		{"modules/ledger/service.go", self + "modules/payments", true},
		{"modules/payments/store.go", "gorm.io/gorm", false},
		{"modules/payments/service.go", "gorm.io/gorm", true},
		{"modules/payments/api.go", "github.com/labstack/echo/v4", false},
		{"modules/payments/service.go", "github.com/labstack/echo/v4", true},
		{"app/idem/idem.go", self + "modules/ledger", true},
		{"app/app.go", self + "modules/ledger", false},
		{"app/demo/seed.go", self + "modules/ledger", false},
		{"modules/payments/pages.go", self + "app", true},
		{"modules/payments/service.go", self + "config", true},
		{"modules/banking/openbanking.go", self + "app/simulate/bank", true},
		{"app/cli/demo.go", self + "app/simulate", false},
	} {
		if reason := forbidden(c.name, c.imports); (reason != "") != c.refused {
			t.Errorf("%s importing %s: refused %q, want refused: %v", c.name, c.imports, reason, c.refused)
		}
	}
	if len(foreignTables("modules/payments/store.go", "SELECT 1 FROM ledger.entries")) != 1 {
		t.Error("a foreign table is not seen")
	}
	folders, err := os.ReadDir("../modules")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if _, known := arrows[folder.Name()]; !known {
			t.Errorf("module %s has no line in arrows", folder.Name())
		}
	}
}
