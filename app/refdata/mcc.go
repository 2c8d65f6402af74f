package refdata

// MCCOther is the merchant category of shops that have none of their own:
// miscellaneous and specialty retail.
const MCCOther = "5999"

// mccByTrade maps a KSIC class, the longest that fits, to a merchant category
// code of ISO 18245. The two systems were not made for each other: this is
// near enough for the QR code's field 52 and for nothing else.
var mccByTrade = map[string]string{
	// Construction: general, special trades.
	"41": "1520", "42": "1799",
	// Cars, used, parts, tyres, motorcycles.
	"45": "5511", "4512": "5521", "4521": "5533", "45211": "5532", "4530": "5571",
	// Stores: general, department, grocery, convenience, duty free.
	"471": "5399", "47111": "5311", "4712": "5411", "47122": "5499", "4713": "5309",
	// Food: all, meat, bread, drinks, tobacco.
	"472": "5499", "47212": "5422", "47216": "5462", "47221": "5921", "47222": "5993",
	// Electronics, telephones, appliances.
	"4731": "5732", "47312": "4812", "4732": "5722",
	// Clothes.
	"4741": "5699", "47411": "5611", "47412": "5621", "47416": "5681", "47417": "5641", "4742": "5949", "47422": "5631",
	// Shoes, bags.
	"4743": "5661", "4744": "5948",
	// Hardware, paint, furniture, home, music.
	"4751": "5251", "47513": "5231", "47519": "5231", "4752": "5712", "4759": "5719", "47593": "5733",
	// Books, paper, records, sport, bicycles, toys.
	"47611": "5942", "47612": "5943", "4762": "5735", "4763": "5941", "47632": "5940", "4764": "5945",
	// Fuel.
	"4771": "5541", "4772": "5983",
	// Pharmacy, aids, cosmetics, glasses, cameras.
	"4781": "5912", "47812": "5976", "47813": "5977", "47822": "8043", "47823": "5946",
	// Jewellery, art, gifts, flowers, pets, used.
	"4783": "5944", "47841": "5971", "47842": "5947", "47851": "5992", "47852": "5995", "4786": "5931",
	// Direct marketing.
	"479": "5969",
	// Transport.
	"491": "4112", "4921": "4111", "4922": "4131", "49231": "4121", "49232": "4131", "4930": "4214", "4940": "4215",
	// Lodging.
	"55": "7011",
	// Restaurants.
	"561": "5812", "56130": "5812", "56141": "5811", "56191": "5462", "56192": "5814", "56193": "5814", "56194": "5814", "56199": "5814",
	// Bars, coffee.
	"5621": "5813", "5622": "5814",
	// Telephone, banks, insurance, property.
	"612": "4814", "64": "6012", "65": "6300", "68": "6513",
	// Law, accounts, engineers, animals' doctors, photographers.
	"711": "8111", "712": "8931", "721": "8911", "731": "0742", "733": "7221",
	// Cleaning, travel, guards, cars and things for hire.
	"742": "7349", "752": "4722", "753": "7393", "7611": "7512", "762": "7394", "763": "7394",
	// Education.
	"85": "8299", "8511": "8351", "8512": "8211", "852": "8211", "853": "8220", "8562": "7911", "8566": "8249", "85661": "8249",
	// Health.
	"861": "8062", "862": "8011", "86202": "8021", "86204": "8071", "86103": "8021", "869": "8099", "86901": "4119",
	// Care.
	"871": "8050", "8721": "8351",
	// Culture and sport.
	"901": "7922", "902": "7991", "911": "7997", "91121": "7992", "91134": "7933", "91135": "7932",
	// Leisure.
	"912": "7999", "9121": "7996", "91221": "7994", "91222": "7994", "9124": "7995",
	// Associations, religion.
	"94": "8699", "9491": "8661",
	// Repair.
	"9511": "7379", "952": "7538", "95213": "7542", "9512": "7622", "9531": "7629", "9539": "7699", "95392": "7251", "95393": "7631",
	// Personal.
	"961": "7230", "96121": "7298", "96122": "7297", "96129": "7298", "9691": "7211", "9692": "7261", "9699": "7299", "96994": "7273",
}

// MCC returns the merchant category code, four digits, nearest to a shop's
// KSIC trade, or MCCOther.
func MCC(trade string) string {
	for digits := min(len(trade), shopDigits); digits >= 2; digits-- {
		if mcc, ok := mccByTrade[trade[:digits]]; ok {
			return mcc
		}
	}
	return MCCOther
}
