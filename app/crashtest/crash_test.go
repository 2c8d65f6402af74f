// Package crashtest breaks the program and its database while people pay, and
// then holds what everyone was told against the books.
package crashtest

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"jangteo/app/idem"
	"jangteo/app/money"
)

// How much is broken; make crash asks for more.
var (
	serverKills   = flag.Int("server-kills", 2, "how often a server is killed")
	postgresKills = flag.Int("postgres-kills", 1, "how often PostgreSQL is killed")
	backendKills  = flag.Int("backend-kills", 0, "how often one process of PostgreSQL is killed, which throws all sessions out")
	cuts          = flag.Int("cuts", 1, "how often the line to PostgreSQL is cut")
	hangs         = flag.Int("hangs", 0, "how often the line says nothing for a while")
	slows         = flag.Int("slows", 0, "how often the line is slow")
	fullDisk      = flag.Bool("full-disk", false, "fill PostgreSQL's disk, a small tmpfs; needs the right to mount one")
	fsync         = flag.Bool("fsync", false, "let PostgreSQL sync its files, which a crash of the whole machine would need and these do not")
	between       = flag.Int("between", 40, "accepted orders between two faults")
)

// Whatever breaks, a payment that was answered as accepted is there once, none
// that was refused is there, and one whose answer was lost is told on asking
// again.
func TestNothingIsLostAndNothingDoubled(t *testing.T) {
	began := time.Now()
	w := newWorld(t, enterable(t), 2, nil)
	t.Logf("two servers answer after %v", time.Since(began).Round(time.Millisecond))
	l := w.load()
	l.more(int64(*between))
	for i, f := range faults(w) {
		if l.broken() {
			break
		}
		before, struck := [2]int64{l.accepted.Load(), l.unknown.Load()}, time.Now()
		f.strike()
		l.more(int64(*between))
		t.Logf("%3d %-17s %5d accepted, %5d answers without certainty meanwhile, whole after %v", i+1, f.name,
			l.accepted.Load()-before[0], l.unknown.Load()-before[1], time.Since(struck).Round(time.Millisecond))
	}
	l.end()
	judged := time.Now()
	w.judge(l)
	t.Logf("judged in %v, all in %v", time.Since(judged).Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}

// fault is something that breaks and, when strike returns, is whole again.
type fault struct {
	name   string
	strike func()
}

// faults are all that were asked for, in random order.
func faults(w *world) (list []fault) {
	moment := func() { <-time.After(time.Duration(rand.IntN(40)) * time.Millisecond) } // any point of a batch
	wait := func(least, most int) { <-time.After(time.Duration(least+rand.IntN(most-least)) * time.Millisecond) }
	add := func(n int, name string, strike func(i int)) {
		for i := range n {
			list = append(list, fault{name, func() { moment(); strike(i) }})
		}
	}
	add(*serverKills, "server killed", func(i int) {
		s := w.servers[rand.IntN(len(w.servers))]
		s.kill()
		if i%5 == 4 { // sometimes all of them
			for _, other := range w.servers {
				if other != s {
					other.kill()
					other.start()
				}
			}
		}
		s.start()
	})
	add(*postgresKills, "PostgreSQL killed", func(int) { w.killPostgres() })
	add(*backendKills, "backend killed", func(int) { w.killBackend(); w.must(w.awaitAnswer().Close(context.Background())) })
	add(*cuts, "line cut", func(int) {
		w.line.Stop()
		wait(0, 1500)
		w.must(w.line.Start())
	})
	add(*hangs, "line hangs", func(i int) {
		// what was said is lost on its way there or on its way back
		cure := w.toxin("timeout", []string{"downstream", "upstream"}[i%2], `{"timeout":0}`)
		if i%4 == 3 {
			wait(5_500, 7_000) // longer than a batch is waited for
		}
		wait(300, 2_000)
		cure()
	})
	add(*slows, "line slow", func(i int) {
		cure := w.toxin("latency", []string{"downstream", "upstream"}[i%2], fmt.Sprintf(`{"latency":%d,"jitter":%d}`, 150, 100))
		if i%3 == 2 { // so slow that a statement arrives after its caller has given up
			cure()
			cure = w.toxin("latency", "upstream", `{"latency":5500,"jitter":1000}`)
			wait(6_000, 9_000)
		}
		wait(500, 2_500)
		cure()
	})
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// enterable is a folder that PostgreSQL's user can enter.
func enterable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "jangteo-crash-*") //nolint:usetesting // the test's own folder lies in one that is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A disk that is full stops paying and loses nothing.
func TestAFullDisk(t *testing.T) {
	if !*fullDisk {
		t.Log("not asked for: make crash fills a disk, as root")
		return
	}
	dir := enterable(t)
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=320m,mode=755", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("filling a disk takes a small tmpfs of its own, which this user may not mount (%v: %s): run make crash as root on Linux", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.CommandContext(context.Background(), "umount", dir).CombinedOutput(); err != nil {
			t.Errorf("the tmpfs at %s stays: %v: %s", dir, err, out)
		}
	})
	w := newWorld(t, dir, 2, map[string]string{"max_wal_size": "64MB", "min_wal_size": "32MB", "shared_buffers": "64MB"})
	l := w.load()
	l.more(int64(*between))
	for round := range 3 {
		filler := filepath.Join(dir, "filler")
		before := [2]int64{l.accepted.Load(), l.unknown.Load()}
		gone := fill(t, filler)
		// PostgreSQL may go on for a while in the room that its files have, and may give up
		w.until("a full disk is noticed", func() bool {
			gone += fill(t, filler)
			return l.unknown.Load() >= before[1]+30
		})
		died := false
		select {
		case <-w.postgres.Exited():
			died = true
		default:
		}
		w.must(os.Remove(filler))
		select {
		case <-w.postgres.Exited():
			died = true
		case <-time.After(3 * time.Second): // it may be on its way out
		}
		if died {
			w.restartPostgres()
		}
		l.more(int64(*between))
		t.Logf("round %d: %d MB filled, PostgreSQL died: %v; %d accepted, %d unknown", round+1, gone>>20, died, l.accepted.Load()-before[0], l.unknown.Load()-before[1])
	}
	l.end()
	w.judge(l)
}

// fill writes until nothing more fits, and tells how much did.
func fill(t *testing.T, path string) (bytes int) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for size := 1 << 20; size >= 512; {
		n, err := file.Write(make([]byte, size))
		bytes += n
		switch {
		case errors.Is(err, syscall.ENOSPC):
			size /= 2
		case err != nil:
			t.Fatal(err)
		}
	}
	return bytes
}

// judge holds the books against what everybody was told.
func (w *world) judge(l *load) {
	t := w.t
	t.Helper()
	conn := w.awaitAnswer()
	defer func() { _ = conn.Close(context.Background()) }()
	for _, wrong := range l.wrong[:min(len(l.wrong), 20)] {
		t.Error(wrong)
	}
	payments, cancellations := w.booked(conn, "payments.payments"), w.booked(conn, "payments.cancellations")
	keys := w.keys(conn)
	counts := map[string]int{}
	left := map[uuid.UUID]money.Amount{}
	for _, p := range w.people {
		left[p.wallet] = filled
	}
	for _, o := range l.orders {
		id, err := idem.New(o.who.citizen, o.key, "", nil)
		w.must(err)
		_, kept := keys[id.ID]
		delete(keys, id.ID)
		books, sign := payments, money.Amount(-1)
		if o.of != nil {
			books, sign = cancellations, 1
		}
		switch amount, there := books[o.entry]; {
		case o.refused != "":
			counts["refused"]++
			if kept {
				t.Errorf("refused with %s after %d tries, and there is something under its key %s", o.refused, o.tries, o.key)
			}
		case o.entry == uuid.Nil:
			t.Errorf("never answered: %s %s", o.path(), o.key)
		case !there || amount != o.amount || !kept:
			t.Errorf("accepted after %d tries and not there: %s of %d (there %v, %d; key kept %v)", o.tries, o.entry, o.amount, there, amount, kept)
		default:
			counts["accepted"]++
			left[o.who.wallet] += sign * o.amount
		}
		delete(books, o.entry)
	}
	if n := len(payments) + len(cancellations) + len(keys); n > 0 {
		t.Errorf("nobody was told of %d payments, %d cancellations and %d keys", len(payments), len(cancellations), len(keys))
	}
	for _, p := range w.people {
		var balance money.Amount
		w.must(conn.QueryRow(context.Background(), `SELECT balance FROM ledger.accounts WHERE tenant_id = $1 AND id = $2`, p.tenant, p.wallet).Scan(&balance))
		if balance != left[p.wallet] {
			t.Errorf("wallet %s holds %d; what was told leaves %d", p.wallet, balance, left[p.wallet])
		}
	}
	w.resend(l)
	w.drained(conn)
	w.verify()
	t.Logf("%d orders: %d accepted, %d refused; %d answers told nothing certain, %d orders were resolved by asking again",
		len(l.orders), counts["accepted"], counts["refused"], l.unknown.Load(), l.resolved.Load())
	if counts["accepted"] < 100 || counts["refused"] == 0 || l.resolved.Load() == 0 {
		t.Error("too little happened for this to prove anything")
	}
}

// booked reads what the books have, by entry; an entry that is there twice, or
// whose ledger entry is missing or of another amount, fails the test.
func (w *world) booked(conn *pgx.Conn, table string) map[uuid.UUID]money.Amount {
	w.t.Helper()
	rows, err := conn.Query(context.Background(), `SELECT p.id, p.amount, coalesce(e.amount, 0), (SELECT count(*) FROM ledger.transfers t WHERE t.tenant_id = p.tenant_id AND t.entry_id = p.id)
		FROM `+table+` p LEFT JOIN ledger.entries e ON e.tenant_id = p.tenant_id AND e.id = p.id`)
	w.must(err)
	found := map[uuid.UUID]money.Amount{}
	var id uuid.UUID
	var amount, entered money.Amount
	var transfers int
	_, err = pgx.ForEachRow(rows, []any{&id, &amount, &entered, &transfers}, func() error {
		if _, twice := found[id]; twice || entered != amount || transfers != 1 {
			w.t.Errorf("%s %s of %d: twice %v, entry of %d, %d transfers", table, id, amount, twice, entered, transfers)
		}
		found[id] = amount
		return nil
	})
	w.must(err)
	return found
}

func (w *world) keys(conn *pgx.Conn) map[uuid.UUID]bool {
	w.t.Helper()
	rows, err := conn.Query(context.Background(), `SELECT key FROM app.idempotency_keys`)
	w.must(err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	w.must(err)
	found := map[uuid.UUID]bool{}
	for _, key := range list {
		found[key] = true
	}
	return found
}

// resend asks again for some of what was accepted: the same answer, and nothing
// moves.
func (w *world) resend(l *load) {
	w.t.Helper()
	for range min(50, len(l.orders)) {
		o := *l.orders[rand.IntN(len(l.orders))]
		if o.refused != "" || o.entry == uuid.Nil {
			continue
		}
		first, wrong := o.entry, len(l.wrong)
		l.settle(&o)
		if o.entry != first || len(l.wrong) > wrong {
			w.t.Errorf("asked again for %s: told of %s; %v", first, o.entry, l.wrong[wrong:])
		}
	}
}

// drained waits until everything that was announced has been handled.
func (w *world) drained(conn *pgx.Conn) {
	w.t.Helper()
	w.until("the outbox is empty", func() bool {
		var waiting int
		w.must(conn.QueryRow(context.Background(), `SELECT count(*) FROM app.outbox`).Scan(&waiting))
		return waiting == 0
	})
}

// verify has the program recompute everything.
func (w *world) verify() {
	w.t.Helper()
	out, err := program(w.url(), "verify", "--json").CombinedOutput()
	if err != nil {
		w.t.Errorf("verify: %v: %s", err, out)
		return
	}
	var said struct{ Entries, Payments int64 }
	if err := json.Unmarshal(out, &said); err != nil || said.Payments == 0 {
		w.t.Errorf("verify looked at nothing: %v: %s", err, out)
	}
}
