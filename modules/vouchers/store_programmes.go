package vouchers

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"jangteo/app/db"
	"jangteo/app/money"
	"jangteo/app/tenant"
)

type programmeRow struct {
	TenantID                 tenant.ID `gorm:"primaryKey;autoIncrement:false"`
	ID                       uuid.UUID `gorm:"primaryKey"`
	Kind                     Kind
	Name                     string
	NameEn                   string
	OpensAt                  time.Time
	ClosesAt                 *time.Time
	BuyerAgeMin, BuyerAgeMax int
	CloseReason              string
	CreatedAt                time.Time `gorm:"autoCreateTime:false"`
}

func (programmeRow) TableName() string { return "vouchers.programmes" }

type policyRow struct {
	TenantID             tenant.ID `gorm:"primaryKey;autoIncrement:false"`
	ProgrammeID          uuid.UUID `gorm:"primaryKey"`
	Version              int       `gorm:"primaryKey;autoIncrement:false"`
	Clause               string
	EffectiveFrom        time.Time
	EffectiveTo          *time.Time
	Author               string
	DiscountBP           int64 `gorm:"column:discount_bp"`
	PurchaseMin          money.Amount
	PurchaseStep         money.Amount
	PurchaseMonthMax     money.Amount
	HoldMax              money.Amount
	PerPaymentMax        money.Amount
	PerDayMax            money.Amount
	ValidityYears        int
	RefundUsedBP         int64    `gorm:"column:refund_used_bp"`
	ExcludedTrades       []string `gorm:"serializer:json"`
	ExcludesLargeSellers bool
	CreatedAt            time.Time `gorm:"autoCreateTime:false"`
}

func (policyRow) TableName() string { return "vouchers.policies" }

func (r policyRow) policy() Policy {
	return Policy{
		Version: r.Version, Clause: r.Clause, EffectiveFrom: r.EffectiveFrom, EffectiveTo: r.EffectiveTo, Author: r.Author,
		DiscountBP: r.DiscountBP, PurchaseMin: r.PurchaseMin, PurchaseStep: r.PurchaseStep, PurchaseMonthMax: r.PurchaseMonthMax,
		HoldMax: r.HoldMax, PerPaymentMax: r.PerPaymentMax, PerDayMax: r.PerDayMax, ValidityYears: r.ValidityYears,
		RefundUsedBP: r.RefundUsedBP, ExcludedTrades: r.ExcludedTrades, ExcludesLargeSellers: r.ExcludesLargeSellers,
	}
}

func (s store) insertProgramme(ctx context.Context, p Programme, at time.Time) error {
	return s.db.In(ctx).Create(&programmeRow{
		TenantID: p.TenantID, ID: p.ID, Kind: p.Kind, Name: p.Name, NameEn: p.NameEn,
		OpensAt: p.OpensAt, ClosesAt: p.ClosesAt, BuyerAgeMin: p.BuyerAgeMin, BuyerAgeMax: p.BuyerAgeMax, CreatedAt: at,
	}).Error
}

func (s store) insertPolicy(ctx context.Context, programme uuid.UUID, p Policy, at time.Time) error {
	trades := p.ExcludedTrades
	if trades == nil {
		trades = []string{}
	}
	err := s.db.In(ctx).Create(&policyRow{
		TenantID: tenant.From(ctx), ProgrammeID: programme, Version: p.Version, Clause: p.Clause,
		EffectiveFrom: p.EffectiveFrom, EffectiveTo: p.EffectiveTo, Author: p.Author, DiscountBP: p.DiscountBP,
		PurchaseMin: p.PurchaseMin, PurchaseStep: p.PurchaseStep, PurchaseMonthMax: p.PurchaseMonthMax, HoldMax: p.HoldMax,
		PerPaymentMax: p.PerPaymentMax, PerDayMax: p.PerDayMax, ValidityYears: p.ValidityYears, RefundUsedBP: p.RefundUsedBP,
		ExcludedTrades: trades, ExcludesLargeSellers: p.ExcludesLargeSellers, CreatedAt: at,
	}).Error
	if db.IsDuplicate(err) {
		return ErrPolicyExists.With("version", p.Version)
	}
	return err
}

// policyCount locks a programme and counts its versions.
func (s store) policyCount(ctx context.Context, programme uuid.UUID) (n int, err error) {
	err = s.db.In(ctx).Exec(`SELECT 1 FROM vouchers.programmes WHERE tenant_id = ? AND id = ? FOR UPDATE`, tenant.From(ctx), programme).Error
	if err == nil {
		err = s.db.In(ctx).Raw(`SELECT count(*) FROM vouchers.policies WHERE tenant_id = ? AND programme_id = ?`, tenant.From(ctx), programme).Scan(&n).Error
	}
	return n, err
}

func (s store) closeSale(ctx context.Context, programme uuid.UUID, at time.Time, reason string) error {
	tx := s.db.In(ctx).Exec(`UPDATE vouchers.programmes SET closes_at = ?, close_reason = ?
		WHERE tenant_id = ? AND id = ? AND opens_at < ? AND (closes_at IS NULL OR closes_at > ?)`, at, reason, tenant.From(ctx), programme, at, at)
	if tx.Error == nil && tx.RowsAffected == 0 {
		return ErrProgrammeNotOpen.With("programme", programme)
	}
	return tx.Error
}

func (s store) policy(ctx context.Context, programme uuid.UUID, version int) (Policy, error) {
	var row policyRow
	err := s.db.In(ctx).Take(&row, "tenant_id = ? AND programme_id = ? AND version = ?", tenant.From(ctx), programme, version).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = ErrProgrammeUnknown
	}
	return row.policy(), err
}

// Far more programmes and versions than all municipalities will ever have.
const rulesMost = 100_000

// programmes reads all programmes of all municipalities with their policies.
func (s store) programmes(ctx context.Context) (list []Programme, err error) {
	var programmes []programmeRow
	var policies []policyRow
	err = s.lane.Aside(ctx, func(ctx context.Context) error {
		orm := s.lane.In(ctx)
		if err := orm.Order("tenant_id, id").Limit(rulesMost).Find(&programmes).Error; err != nil {
			return err
		}
		return orm.Order("tenant_id, programme_id, version").Limit(rulesMost).Find(&policies).Error
	})
	if err != nil {
		return nil, err
	}
	of := make(map[uuid.UUID][]Policy, len(programmes))
	for _, r := range policies {
		of[r.ProgrammeID] = append(of[r.ProgrammeID], r.policy())
	}
	for _, r := range programmes {
		list = append(list, Programme{
			TenantID: r.TenantID, ID: r.ID, Kind: r.Kind, Name: r.Name, NameEn: r.NameEn,
			OpensAt: r.OpensAt, ClosesAt: r.ClosesAt, BuyerAgeMin: r.BuyerAgeMin, BuyerAgeMax: r.BuyerAgeMax, CloseReason: r.CloseReason,
			Policies: of[r.ID],
		})
	}
	return list, nil
}
