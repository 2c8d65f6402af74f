package issuer

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// examplesOfThePage are the frames that docs/card-host.md shows, by their names.
func examplesOfThePage(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/card-host.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\*\\*(.+)\\*\\*\n\n```\n([0-9a-f\n]+)\n```$").FindAllStringSubmatch(string(page), -1) {
		shown[m[1]] = strings.ReplaceAll(m[2], "\n", "")
	}
	return shown
}

// pageHost expects the frames of the page, and answers with those of the page.
type pageHost struct {
	t       *testing.T
	shown   map[string]string
	mute    atomic.Bool // to the next 0100
	onQuery func()      // at each 0100

	mu   sync.Mutex
	seen map[string]bool
}

// page says how a message and its answer are called there.
var page = map[string][2]string{
	"0800": {"0800 sign on", "0810"}, "0100": {"0100", "0110, approved"}, "0120": {"0120, decided in stand-in", "0130"},
	"0400": {"0400, 5,000 won stay", "0410"}, "0420": {"0420, nobody answered", "0430"},
}

func (h *pageHost) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	from := bufio.NewReader(conn)
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint16(head))
		if _, err := io.ReadFull(from, body); err != nil {
			return
		}
		mti := string(body[:4])
		if body[len(body)-3] == '0' && mti == "0800" && string(body[len(body)-3:]) != "001" {
			continue // signs off
		}
		names := page[mti]
		if got := hex.EncodeToString(slices.Concat(head, body)); got != h.shown[names[0]] {
			h.t.Errorf("the simulator sends as %q\n%s\nand the page shows\n%s", names[0], got, h.shown[names[0]])
		}
		h.mu.Lock()
		h.seen[names[0]] = true
		h.mu.Unlock()
		if mti == "0100" {
			h.onQuery()
			if h.mute.Swap(false) {
				continue
			}
		}
		answer, err := hex.DecodeString(h.shown[names[1]])
		if err == nil {
			_, err = conn.Write(answer)
		}
		if err != nil {
			h.t.Error(err)
			return
		}
	}
}

func (h *pageHost) saw(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen[name]
}

// What the page shows is what goes over the wire, byte for byte.
func TestTheSimulatorSendsWhatThePageShows(t *testing.T) {
	t.Parallel()
	at := func(clock string) time.Time {
		moment, err := time.Parse(time.DateTime, "2026-11-22 "+clock)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	var now atomic.Pointer[time.Time]
	set := func(moment time.Time) { now.Store(&moment) }
	set(at("03:41:00"))
	s, err := New(t.Context(), Options{Codes: []string{"31"}, Now: func() time.Time { return *now.Load() }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	i, _ := s.Issuer("31")
	swipe := func(trace uint32) Purchase {
		t.Helper()
		i.trace.Store(trace - 1)
		p, err := i.Swipe(t.Context(), Swipe{Token: "tk31-5f0c2a9e7d41", Merchant: "7700112233", Terminal: "T0000001", Amount: 12_000, Partial: true})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	i.Decide(TakeVoucher)
	if p := swipe(104); p.Voucher != 12_000 || p.Kind != StoodIn { // told once there is a line
		t.Fatalf("stood in: %+v", p)
	}
	i.Decide(Decline)
	set(at("03:40:00"))
	i.trace.Store(99)

	h := &pageHost{t: t, shown: examplesOfThePage(t), seen: map[string]bool{}}
	h.onQuery = func() { set(at("03:40:14")) }
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if conn, err := listener.Accept(); err == nil {
			h.serve(conn)
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); s.Close(); <-served })
	s.Connect(listener.Addr().String())
	h.until("the line", i.Connected)
	h.until("the advice", func() bool { return i.Pending() == 0 })

	set(at("03:40:10"))
	p := swipe(101)
	if p.State != Approved || p.Voucher != 12_000 || p.Account != 0 || p.Number != "7B01AF" || p.Left != 38_000 {
		t.Fatalf("approved: %+v", p)
	}
	i.trace.Store(102)
	if p, err := i.TakeBack(t.Context(), p.Retrieval, 5_000); err != nil || p.VoucherBack != 7_000 {
		t.Fatalf("taken back in part: %+v, %v", p, err)
	}
	set(at("03:40:10"))
	h.mute.Store(true)
	if p := swipe(101); p.State != Declined {
		t.Fatalf("not answered: %+v", p)
	}
	h.until("the reversal", func() bool { return i.Pending() == 0 })
	for _, names := range page {
		if !h.saw(names[0]) {
			t.Errorf("%s was not sent", names[0])
		}
	}
}

func (h *pageHost) until(what string, done func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			h.t.Fatalf("no %s", what)
		case <-tick.C:
		}
	}
}
