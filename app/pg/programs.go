package pg

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// majorMin is the oldest PostgreSQL that the migrations run on.
const majorMin = 15

// installation is one folder with PostgreSQL's server programs.
type installation struct {
	dir   string
	major int
}

// FindBin returns the folder of PostgreSQL's programs, initdb and postgres
// among them: the one in PATH, else the newest of the places where
// distributions put them. The error is ErrNotInstalled with a sentence about
// what was found instead.
func FindBin() (string, error) {
	found, err := findPrograms(0)
	return found.dir, err
}

// findPrograms looks for one major version, or with 0 for any that will do.
func findPrograms(major int) (installation, error) {
	var unfit []string
	for _, dir := range places() {
		found, err := inspect(dir)
		switch {
		case err != nil:
			continue
		case found.major == major || major == 0 && found.major >= majorMin:
			return found, nil
		default:
			unfit = append(unfit, fmt.Sprintf("%d in %s", found.major, dir))
		}
	}
	wanted := fmt.Sprintf("version %d or newer", majorMin)
	if major != 0 {
		wanted = fmt.Sprintf("version %d, which made this data folder,", major)
	}
	if len(unfit) > 0 {
		return installation{}, fmt.Errorf("%w: %s is needed, found were %s", ErrNotInstalled, wanted, strings.Join(unfit, ", "))
	}
	return installation{}, fmt.Errorf("%w: its programs initdb and postgres, %s, are neither in PATH nor where distributions put them: install the package postgresql (a client alone is not enough)", ErrNotInstalled, strings.TrimSuffix(wanted, ","))
}

// places lists the folders to look at, best first.
func places() []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		// A link's neighbours may be missing, those of what it names are not.
		if target, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(target))
		}
		dirs = append(dirs, filepath.Dir(path))
	}
	var distributed []installation
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",         // Debian, Ubuntu
		"/usr/pgsql-*/bin",                  // the PostgreSQL project's packages for Fedora and kin
		"/usr/lib/postgresql*/bin",          // SUSE
		"/usr/libexec/postgresql*",          // Alpine
		"/opt/homebrew/opt/postgresql*/bin", // Homebrew on ARM
		"/usr/local/opt/postgresql*/bin",    // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/post*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		matches, _ := filepath.Glob(pattern) // the patterns are well formed
		for _, dir := range matches {
			if found, err := inspect(dir); err == nil {
				distributed = append(distributed, found)
			}
		}
	}
	slices.SortStableFunc(distributed, func(a, b installation) int { return cmp.Compare(b.major, a.major) })
	for _, found := range distributed {
		dirs = append(dirs, found.dir)
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	return append(dirs, "/usr/bin", "/usr/local/pgsql/bin")
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// inspect asks the programs themselves. A folder with a client only is an error.
func inspect(dir string) (installation, error) {
	for _, name := range []string{"initdb", "postgres"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return installation{}, err
		}
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return installation{}, err
	}
	match := versionPattern.FindSubmatch(out)
	if match == nil {
		return installation{}, fmt.Errorf("%s/postgres has no version", dir)
	}
	major, err := strconv.Atoi(string(match[1]))
	return installation{dir: dir, major: major}, err
}
