package pg

import (
	"context"
	"errors"
	"os"
	osuser "os/user"
	"strconv"
	"syscall"
)

// user is whom PostgreSQL runs as; the zero value is whoever runs this program.
type user struct {
	name       string
	credential *syscall.Credential // nil: as ourselves
}

// ordinaryUser chooses for root, since PostgreSQL refuses to run as root: the
// owner of the data if there is one, else postgres, else nobody.
func ordinaryUser(data string) (user, error) {
	if os.Geteuid() != 0 {
		return user{}, nil
	}
	if found, err := os.Stat(data); err == nil {
		if owner := found.Sys().(*syscall.Stat_t); owner.Uid != 0 {
			return user{
				name:       "number " + strconv.FormatUint(uint64(owner.Uid), 10),
				credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid},
			}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := osuser.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
		if uidErr != nil || gidErr != nil || uid == 0 {
			continue
		}
		return user{name: name, credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return user{}, errors.New("PostgreSQL cannot run as root, and this machine has neither a user postgres nor nobody: run jangteo as an ordinary user")
}

// own hands a file to the user.
func (u user) own(path string) error {
	if u.credential == nil {
		return nil
	}
	return os.Chown(path, int(u.credential.Uid), int(u.credential.Gid))
}

// canEnter tries, since only the kernel knows: folders above, access lists and
// security modules all have a say.
func (u user) canEnter(ctx context.Context, dir, program string) error {
	cmd := u.command(program, "--version")
	cmd.Dir = dir // entered after the change of user
	return run(ctx, cmd)
}
