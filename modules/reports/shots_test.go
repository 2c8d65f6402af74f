package reports_test

import (
	"net/url"
	"os"
	"os/exec"
	"testing"

	"github.com/labstack/echo/v4"
	"jangteo/static"
)

func TestShots(t *testing.T) {
	dir := os.Getenv("SHOTS")
	if dir == "" {
		t.Skip()
	}
	o := newOffice(t)
	o.server.Config.Handler.(*echo.Echo).GET(static.Prefix+"*", echo.WrapHandler(static.Handler()))
	o.ask("POST", "/office/settlements/close", url.Values{"day": {"2026-11-18"}, "confirm": {"yes"}}, "ko")
	o.ask("POST", "/office/citizens/"+o.citizen.ID.String()+"/reveal", url.Values{"reason": {"민원 2026-15 확인"}}, "ko")
	o.ask("POST", "/office/verify", nil, "ko")
	for name, path := range map[string]string{
		"dashboard": "", "payments": "/payments", "payment": "/payments/" + o.payment.ID.String(), "citizen": "/citizens/" + o.citizen.ID.String(),
		"settlements": "/settlements", "account": "/ledger/accounts/" + o.wallet.String(), "verify": "/verify", "programme": "/programmes/" + o.purchase.ProgrammeID.String(), "audit": "/audit",
	} {
		for _, size := range []string{"1280,1400", "500,1600"} {
			out, err := exec.Command("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--lang=ko", "--window-size="+size,
				"--screenshot="+dir+"/"+name+"-"+size[:4]+".png", "--virtual-time-budget=3000", o.server.URL+"/office"+path).CombinedOutput()
			if err != nil {
				t.Log(string(out), err)
			}
		}
	}
}
