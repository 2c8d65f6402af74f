package browsertest
import ("testing";"net/http";"time";"context";"io"
"github.com/chromedp/chromedp")
func TestDbg(t *testing.T){
 t0:=time.Now()
 h:=start(t)
 t.Log("started",time.Since(t0))
 r,err:=http.Get(h.url+"/sign-in"); t.Log(err,time.Since(t0)); if err==nil{b,_:=io.ReadAll(r.Body);t.Log(r.StatusCode,len(b), r.Header)}
 ctx,c:=chromedp.NewContext(browser); defer c()
 t.Log(chromedp.Do(ctx),time.Since(t0))
 c2,cc:=context.WithTimeout(ctx,30*time.Second);defer cc()
 t.Log(chromedp.Do(c2,chromedp.Navigate(h.url+"/sign-in")),time.Since(t0))
 s:=h.open(t,"x",360)
 t.Log("opened",time.Since(t0))
 s.goTo("/sign-in")
 t.Log("gone",time.Since(t0))
}
