// SPDX-License-Identifier: Apache-2.0

package rpz_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accord"
	"accord/format/rpz"
)

const zone = "hot.rpz."

func obs(k accord.Kind, v string) accord.Observable { return accord.Observable{Kind: k, Value: v} }

func TestOwnersAreAsTheDraftWritesThem(t *testing.T) {
	for _, tt := range []struct {
		o    accord.Observable
		want []string
	}{
		{obs(accord.KindDomain, "bad.example"), []string{"bad.example.hot.rpz.", "*.bad.example.hot.rpz."}},
		{obs(accord.KindDomain, "_x.a-b.xn--bcher-kva.example"), []string{"_x.a-b.xn--bcher-kva.example.hot.rpz.", "*._x.a-b.xn--bcher-kva.example.hot.rpz."}},
		{obs(accord.KindIPv4, "192.0.2.1"), []string{"32.1.2.0.192.rpz-ip.hot.rpz."}},
		{obs(accord.KindCIDR, "192.0.2.0/24"), []string{"24.0.2.0.192.rpz-ip.hot.rpz."}},
		{obs(accord.KindIPv6, "2001:db8::1"), []string{"128.1.zz.db8.2001.rpz-ip.hot.rpz."}},
		{obs(accord.KindIPv6, "2001:db8:0:1:1:1:1:1"), []string{"128.1.1.1.1.1.0.db8.2001.rpz-ip.hot.rpz."}},
		{obs(accord.KindIPv6, "2001:db8::1:0:0:1"), []string{"128.1.0.0.1.zz.db8.2001.rpz-ip.hot.rpz."}},
		{obs(accord.KindCIDR, "2001:db8::/32"), []string{"32.zz.db8.2001.rpz-ip.hot.rpz."}},
		{obs(accord.KindIPv6, "::1"), []string{"128.1.zz.rpz-ip.hot.rpz."}},
	} {
		got, err := rpz.Owners(tt.o, zone)
		if err != nil {
			t.Errorf("Owners(%v): %v", tt.o, err)
			continue
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("Owners(%v): %s", tt.o, d)
		}
		for i, owner := range got {
			back, wild, err := rpz.Parse(strings.ToUpper(owner), zone)
			if err != nil || back != tt.o || wild != (i == 1) {
				t.Errorf("Parse(%q) = %v %v %v, want %v", owner, back, wild, err, tt.o)
			}
		}
	}
}

func TestWhatCannotBeATriggerIsRefused(t *testing.T) {
	for _, o := range []accord.Observable{
		obs(accord.KindDomain, ""), obs(accord.KindDomain, "."), obs(accord.KindDomain, "*.bad.example"),
		obs(accord.KindDomain, "bad.example."), obs(accord.KindDomain, "bad..example"), obs(accord.KindDomain, "Bad.example"),
		obs(accord.KindDomain, "a b.example"), obs(accord.KindDomain, `a\046b.example`), obs(accord.KindDomain, "32.1.2.0.192.rpz-ip"),
		obs(accord.KindDomain, "rpz-nsdname"), obs(accord.KindDomain, strings.Repeat("a", 64)+".example"),
		obs(accord.KindIPv4, "2001:db8::1"), obs(accord.KindIPv6, "192.0.2.1"), obs(accord.KindIPv6, "::ffff:192.0.2.1"),
		obs(accord.KindIPv6, "2001:db8::1%eth0"), obs(accord.KindIPv6, "2001:DB8::1"), obs(accord.KindCIDR, "192.0.2.1/24"),
		obs(accord.KindCIDR, "0.0.0.0/0"), obs(accord.KindCIDR, "::/0"), obs(accord.KindURL, "http://bad.example/"),
	} {
		if got, err := rpz.Owners(o, zone); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("Owners(%v) = %v, %v; want ErrInvalid", o, got, err)
		}
	}
	for _, owner := range []string{
		zone, ".", "", "bad.example.", "bad.example.base.rpz.", "xhot.rpz.", "0.0.0.0.0.rpz-ip.hot.rpz.", "24.1.2.0.192.rpz-ip.hot.rpz.",
		"032.1.2.0.192.rpz-ip.hot.rpz.", "33.1.2.0.192.rpz-ip.hot.rpz.", "128.zz.1.zz.rpz-ip.hot.rpz.", "rpz-ip.hot.rpz.",
		"128.1.2.3.4.5.6.7.zz.8.rpz-ip.hot.rpz.", "32.1.2.0.192.rpz-client-ip.hot.rpz.", "*.hot.rpz.", "*.*.a.hot.rpz.",
	} {
		if o, _, err := rpz.Parse(owner, zone); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("Parse(%q) = %v, %v; want ErrInvalid", owner, o, err)
		}
	}
}

func TestTheOwnerLimitCountsTheZone(t *testing.T) {
	name := strings.Repeat(strings.Repeat("a", 61)+".", 3) // 186
	fits := name + strings.Repeat("b", 57)                 // 243 + "*." + ".hot.rpz." + 1 = 255
	if _, err := rpz.Owners(obs(accord.KindDomain, fits), zone); err != nil {
		t.Errorf("255 octets refused: %v", err)
	}
	if _, err := rpz.Owners(obs(accord.KindDomain, fits+"b"), zone); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("256 octets: %v, want ErrInvalid", err)
	}
	if _, err := rpz.Owners(obs(accord.KindDomain, fits), "base.rpz."); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("a longer zone name: %v, want ErrInvalid", err)
	}
}

func TestActionsRoundTrip(t *testing.T) {
	for a := rpz.NXDomain; a <= rpz.TCPOnly; a++ {
		if got, ok := rpz.ParseTarget(a.Target()); !ok || got != a {
			t.Errorf("ParseTarget(%q) = %v %v", a.Target(), got, ok)
		}
	}
	if _, ok := rpz.ParseTarget("garden.example."); ok {
		t.Error("a host was taken for an action")
	}
	if got, err := rpz.LocalData("Garden.example"); err != nil || got != "garden.example." {
		t.Errorf("LocalData = %q, %v", got, err)
	}
	if _, err := rpz.LocalData("rpz-drop."); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("LocalData(rpz-drop.) = %v, want ErrInvalid", err)
	}
}

func TestEveryTriggerRoundTrips(t *testing.T) {
	label := rapid.StringMatching(`[a-z0-9_]([a-z0-9-]{0,20}[a-z0-9])?`)
	value := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) accord.Observable {
			return obs(accord.KindDomain, strings.Join(rapid.SliceOfN(label, 1, 8).Draw(t, "labels"), "."))
		}),
		rapid.Custom(func(t *rapid.T) accord.Observable {
			b := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4")
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte(b)), rapid.IntRange(1, 32).Draw(t, "bits")).Masked()
			return prefix(p)
		}),
		rapid.Custom(func(t *rapid.T) accord.Observable {
			var b [16]byte
			for i := range 8 {
				if rapid.Bool().Draw(t, "zero") {
					continue
				}
				b[2*i+1] = rapid.Byte().Draw(t, "octet")
				b[2*i] = rapid.Byte().Draw(t, "octet")
			}
			p := netip.PrefixFrom(netip.AddrFrom16(b), rapid.IntRange(1, 128).Draw(t, "bits")).Masked()
			if p.Addr().Is4In6() {
				p = netip.MustParsePrefix("2001:db8::/33")
			}
			return prefix(p)
		}),
	)
	rapid.Check(t, func(t *rapid.T) {
		o := value.Draw(t, "value")
		owners, err := rpz.Owners(o, zone)
		if err != nil {
			t.Fatalf("Owners(%v): %v", o, err)
		}
		for i, owner := range owners {
			back, wild, err := rpz.Parse(owner, zone)
			if err != nil || back != o || wild != (i == 1) {
				t.Fatalf("Parse(%q) = %v %v %v, want %v", owner, back, wild, err, o)
			}
		}
	})
}

func prefix(p netip.Prefix) accord.Observable {
	switch {
	case !p.IsSingleIP():
		return obs(accord.KindCIDR, p.String())
	case p.Addr().Is4():
		return obs(accord.KindIPv4, p.Addr().String())
	default:
		return obs(accord.KindIPv6, p.Addr().String())
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"bad.example.hot.rpz.", "*.bad.example.hot.rpz.", "32.1.2.0.192.rpz-ip.hot.rpz.", "128.1.zz.db8.2001.rpz-ip.hot.rpz.",
		"128.1.1.1.1.1.0.db8.2001.rpz-ip.hot.rpz.", "hot.rpz.", "rpz-ip.hot.rpz.", "zz.hot.rpz.",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, owner string) {
		o, wild, err := rpz.Parse(owner, zone)
		if err != nil {
			if !errors.Is(err, accord.ErrInvalid) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		owners, err := rpz.Owners(o, zone)
		if err != nil {
			// "a" × 243 fits as itself and not with "*." before it.
			if o.Kind == accord.KindDomain && !wild && len(o.Value) > 242 {
				return
			}
			t.Fatalf("Parse(%q) = %v, which Owners refuses: %v", owner, o, err)
		}
		for _, w := range owners {
			if back, _, err := rpz.Parse(w, zone); err != nil || back != o {
				t.Fatalf("%q → %v → %q → %v, %v", owner, o, w, back, err)
			}
		}
	})
}

func ExampleOwners() {
	owners, _ := rpz.Owners(accord.Observable{Kind: accord.KindIPv6, Value: "2001:db8::7"}, "hot.rpz.")
	fmt.Println(owners[0])
	// Output: 128.7.zz.db8.2001.rpz-ip.hot.rpz.
}
